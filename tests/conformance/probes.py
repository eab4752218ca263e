"""The same requests to both servers: where 0.3 and 1.x agree, the drill's server must answer as the real one does.

Compared are the status, the error code (its spelling changed between the versions) and the names and JSON types of the
fields. 1.x has more fields than 0.3: what the real, older server gives must be there in the drill's. Everything else is
listed in DIFFERS with its reason, and a difference that has gone is a failure too."""
import hubs

ANSWERS = {}  # {(moment, name): {real: Answer}}

READS = [
    ("rollouts", "GET", "/rest/v1/rollouts?limit=1"),
    ("rollouts past the end", "GET", "/rest/v1/rollouts?offset=1000"),
    ("rollouts with a negative limit", "GET", "/rest/v1/rollouts?limit=-1"),
    ("rollouts sorted by an unknown field", "GET", "/rest/v1/rollouts?sort=bogus:ASC"),
    ("rollouts sorted in an unknown direction", "GET", "/rest/v1/rollouts?sort=id:UP"),
    ("rollouts by an unknown field", "GET", "/rest/v1/rollouts?q=bogus%3D%3D1"),
    ("rollouts by a broken query", "GET", "/rest/v1/rollouts?q=name%3D1"),
    ("rollouts by state", "GET", "/rest/v1/rollouts?q=status%3D%3Drunning"),
    ("rollout", "GET", "/rest/v1/rollouts/{r}"),
    ("no such rollout", "GET", "/rest/v1/rollouts/0"),
    ("waves", "GET", "/rest/v1/rollouts/{r}/deploygroups"),
    ("waves in full", "GET", "/rest/v1/rollouts/{r}/deploygroups?representation=full"),
    ("waves of no such rollout", "GET", "/rest/v1/rollouts/0/deploygroups"),
    ("wave", "GET", "/rest/v1/rollouts/{r}/deploygroups/{g}"),
    ("no such wave", "GET", "/rest/v1/rollouts/{r}/deploygroups/0"),
    ("devices of a wave", "GET", "/rest/v1/rollouts/{r}/deploygroups/{g}/targets?limit=2"),
    ("devices", "GET", "/rest/v1/targets?limit=2"),
    ("devices, more than a page", "GET", "/rest/v1/targets?limit=1000"),
    ("devices by release", "GET", "/rest/v1/targets?q=installedds.version%3D%3D1.0&limit=1"),
    ("devices by a set of ids", "GET", "/rest/v1/targets?q=controllerid%3Din%3D(x,y)"),
    ("device", "GET", "/rest/v1/targets/{d}"),
    ("no such device", "GET", "/rest/v1/targets/nobody"),
    ("what is installed", "GET", "/rest/v1/targets/{d}/installedDS"),
    ("what is assigned", "GET", "/rest/v1/targets/{d}/assignedDS"),
    ("actions of a device", "GET", "/rest/v1/targets/{d}/actions?limit=1"),
    ("no such action", "GET", "/rest/v1/targets/{d}/actions/0"),
    ("releases", "GET", "/rest/v1/distributionsets?limit=1"),
    ("no such release", "GET", "/rest/v1/distributionsets/0"),
    ("target filters", "GET", "/rest/v1/targetfilters"),
    ("all actions", "GET", "/rest/v1/actions?limit=1"),
    ("unknown path", "GET", "/rest/v1/nothing"),
    ("a verb with GET", "GET", "/rest/v1/rollouts/{r}/pause"),
]
REFUSED = [
    ("start no such rollout", "POST", "/rest/v1/rollouts/0/start"),
    ("stop no such rollout", "POST", "/rest/v1/rollouts/0/stop"),
    ("trigger no such rollout", "POST", "/rest/v1/rollouts/0/triggerNextGroup"),
    ("retry no such rollout", "POST", "/rest/v1/rollouts/0/retry"),
    ("an unknown verb", "POST", "/rest/v1/rollouts/{r}/rollback"),
    ("delete no such rollout", "DELETE", "/rest/v1/rollouts/0"),
    ("cancel on no such device", "DELETE", "/rest/v1/targets/nobody/actions/0"),
    ("cancel no such action", "DELETE", "/rest/v1/targets/{d}/actions/0"),
    ("invalidate no such release", "POST", "/rest/v1/distributionsets/0/invalidate", {"actionCancelationType": "none"}),
    ("assign to no such device", "POST", "/rest/v1/targets/nobody/assignedDS", {"id": 1}),
    ("assign no such release", "POST", "/rest/v1/targets/{d}/assignedDS", {"id": 0}),
    ("create without anything", "POST", "/rest/v1/rollouts", {}),
    ("create from a list", "POST", "/rest/v1/rollouts", []),
    ("create under a taken name", "POST", "/rest/v1/rollouts",
     {"name": "{name}", "distributionSetId": "{ds}", "targetFilterQuery": "controllerId==cam-*", "amountGroups": 1}),
    ("create of no such release", "POST", "/rest/v1/rollouts",
     {"name": "p1", "distributionSetId": 0, "targetFilterQuery": "controllerId==cam-*", "amountGroups": 1}),
    ("create for nobody", "POST", "/rest/v1/rollouts",
     {"name": "p2", "distributionSetId": "{ds}", "targetFilterQuery": "controllerId==nobody", "amountGroups": 1}),
    ("create with an unknown field in the filter", "POST", "/rest/v1/rollouts",
     {"name": "p3", "distributionSetId": "{ds}", "targetFilterQuery": "bogus==1", "amountGroups": 1}),
]
# Notes beside the release: each changes what the next one sees; what is left over is taken away again.
NOTE = {"value": "{\"by\":\"m.itö\"}"}
NOTES = [
    ("no notes", "GET", "{m}"),
    ("replace a note that is not there", "PUT", "{m}/andon.probe", NOTE),
    ("a new note", "POST", "{m}", [{"key": "andon.probe", **NOTE}]),
    ("a new note under a taken key", "POST", "{m}", [{"key": "andon.probe", **NOTE}]),
    ("notes", "GET", "{m}?limit=500"),
    ("a note", "GET", "{m}/andon.probe"),
    ("replace a note", "PUT", "{m}/andon.probe", {"value": "x" * 4000}),
    ("replace a note by a long one", "PUT", "{m}/andon.probe", {"value": "x" * 4001}),
    ("a new long note", "POST", "{m}", [{"key": "andon.probe.long", "value": "x" * 4001}]),
    ("a note under a long key", "POST", "{m}", [{"key": "k" * 129, "value": ""}]),
    ("no new notes", "POST", "{m}", []),
    ("a new note that is no list", "POST", "{m}", {"key": "andon.probe.2", "value": ""}),
    ("remove a note", "DELETE", "{m}/andon.probe"),
    ("remove a note that is not there", "DELETE", "{m}/andon.probe"),
    ("a note that is not there", "GET", "{m}/andon.probe"),
    ("notes of no such release", "GET", "/rest/v1/distributionsets/0/metadata"),
    ("a note beside no such release", "PUT", "/rest/v1/distributionsets/0/metadata/andon", NOTE),
    ("remove a note beside no such release", "DELETE", "/rest/v1/distributionsets/0/metadata/andon"),
]
# Verbs that the state forbids, on both.
FORBIDDEN = {"ready": ("pause", "resume", "approve", "deny"), "paused": ("start", "pause", "approve", "deny")}

MESSAGE = "1.x says no message with a bad query"
SPRING = "the web framework of 0.3 adds message and path"
NO_BODY = "1.x answers changes of notes with 204 or without a body"
NO_CALL = "0.3 does not know the call: a bare 404 instead of hawkBit's"
DIFFERS = {
    "rollouts": "1.x leaves the description out of the short form",
    "rollouts with a negative limit": "1.x leaves the description out of the short form",
    "rollouts by an unknown field": MESSAGE,
    "rollouts by a broken query": MESSAGE,
    "create with an unknown field in the filter": MESSAGE,
    "rollouts by state": "0.3 cannot filter by state",
    "all actions": NO_CALL,
    "stop no such rollout": NO_CALL,
    "trigger no such rollout": NO_CALL,
    "retry no such rollout": NO_CALL,
    "invalidate no such release": NO_CALL,
    "a new note": NO_BODY,
    "replace a note": NO_BODY,
    "remove a note": NO_BODY,
    "unknown path": SPRING,
    "an unknown verb": SPRING,
    "a verb with GET": SPRING,
    "a wrong password": SPRING,
}
# The same thing, spelled anew.
SPELLING = {"entitiynotfound": "entitynotfound", "entitiyalreayexists": "entityalreadyexists"}


def code_of(body):
    code = body.get("errorCode", "").lower() if isinstance(body, dict) else ""
    head, _, last = code.rpartition(".")
    return f"{head}.{SPELLING.get(last, last)}" if code else ""


def shape(body, prefix=""):
    """{path of a field: JSON type}; of a list its first element."""
    if isinstance(body, dict):
        out = {}
        for key, value in body.items():
            if key != "_links":
                out[prefix + key] = type(value).__name__
                out.update(shape(value, prefix + key + "."))
        return out
    if isinstance(body, list):
        return shape(body[0], prefix + "[].") if body else {}
    return {}


def fill(value, known):
    if isinstance(value, dict):
        return {k: fill(v, known) for k, v in value.items()}
    if value == "{ds}":
        return known["ds"]
    return value.replace("{name}", known["name"]) if isinstance(value, str) else value


def ask(world, moment):
    """Sends the requests of this moment; none of them changes anything."""
    rollout = world.rollout()
    known = {"r": rollout["id"], "g": world.waves()[0]["id"], "d": world.members(1)[0],
             "ds": rollout["distributionSetId"], "name": rollout["name"]}
    requests = [(f"{verb} while {moment}", "POST", f"/rest/v1/rollouts/{{r}}/{verb}") for verb in FORBIDDEN[moment]]
    if moment == "ready":
        requests += READS + REFUSED
        wrong = hubs.Api(world.api.port, hubs.basic("admin", "wrong"))
        keep(world, "a wrong password", wrong.call("GET", "/rest/v1/rollouts"))
        viewer = hubs.Api(world.api.port, hubs.basic(*world.viewer))
        keep(world, "without the permission", viewer.call("GET", "/rest/v1/rollouts"))
    for name, method, path, *body in requests:
        keep(world, name, world.api.call(method, path.format(**known), fill(body[0], known) if body else None))
    assert world.rollout() == rollout, "a probe has changed the rollout"


def ask_notes(world):
    """Plays the notes' story beside the rollout's release, and leaves none."""
    release = f"/rest/v1/distributionsets/{world.rollout()['distributionSetId']}"
    for name, method, path, *body in NOTES:
        keep(world, name, world.api.call(method, path.format(m=release + "/metadata"), body[0] if body else None))
    viewer = hubs.Api(world.api.port, hubs.basic(*world.viewer))
    keep(world, "a note without the permission", viewer.call("PUT", release + "/metadata/andon.probe", NOTE))
    keep(world, "notes without the permission", viewer.call("GET", release + "/metadata"))


def keep(world, name, answer):
    ANSWERS.setdefault(name, {})[world.real] = answer


def difference(real, drill):
    """What is not alike, "" when nothing."""
    if real[0] != drill[0]:
        return f"status {real[0]} and {drill[0]}"
    if code_of(real[1]) != code_of(drill[1]):
        return f"code {code_of(real[1])!r} and {code_of(drill[1])!r}"
    old, new = shape(real[1]), shape(drill[1])
    gone = sorted(k for k in old if k not in new)
    if gone:
        return "without " + ", ".join(gone)
    other = sorted(k for k in old if old[k] != new[k] and {old[k], new[k]} != {"int", "float"})
    return "other types of " + ", ".join(other) if other else ""


def compare():
    passed = failed = 0
    print("--- the real server's answers and the drill's")
    for name, both in sorted(ANSWERS.items()):
        what = difference(both[True], both[False]) if len(both) == 2 else "only one server was asked"
        reason = DIFFERS.get(name)
        if what and reason:
            print(f"      differs: {name}: {what} ({reason})")
        if bool(what) == bool(reason):
            passed += 1
        else:
            failed += 1
            print(f"FAIL  {name}: {what or 'no difference any more: ' + reason}")
    print(f"      {len(ANSWERS)} requests compared")
    return passed, failed
