"""Cases that can be switched on one by one: what waits for a part that is not built yet is only named. ANDON_CASES=all
runs every one, ANDON_CASES=NAME,NAME those whose names begin so."""
import os


class Cases:
    def __init__(self, tally):
        self.tally, self.all = tally, []

    def add(self, name, fn, waits_for=""):
        self.all.append((name, fn, waits_for))

    def run(self):
        want = [w for w in os.environ.get("ANDON_CASES", "").split(",") if w]
        for name, fn, waits_for in self.all:
            if want == ["all"] or (any(name.startswith(w) for w in want) if want else not waits_for):
                self.tally.case(name, fn)
            elif not want:
                print(f"later: {name}: {waits_for}")
        self.tally.end()
