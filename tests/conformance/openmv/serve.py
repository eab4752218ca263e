"""serve.py PORT FOLDER: the OpenMV OTA server on loopback; database and images are in the folder. It keeps devices only that a
registrar vouches for: one that vouches for all runs beside it. Its limits of check-ins by address are lifted, and three tokens
are made, NAME-word for each."""
import http.server
import json
import os
import pathlib
import sys
import threading

port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()


class Vouches(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = json.dumps({"registered": True, "registrar_ref": "test"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


registrar = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vouches)
threading.Thread(target=registrar.serve_forever, daemon=True).start()
os.environ |= {"OPENMV_OTA_" + k: v for k, v in {
    "HOST": "127.0.0.1", "PORT": str(port), "BASE_URL": f"http://127.0.0.1:{port}",
    "DATABASE_URL": f"sqlite:///{folder}/ota.sqlite3", "STORAGE_LOCATION": f"{folder}/images",
    "SWD_IDS_VERIFY_URL": f"http://127.0.0.1:{registrar.server_port}/", "SWD_IDS_VERIFY_TOKEN": "any",
    "CHECKIN_RATE_PER_MIN": "0", "CHECKIN_RATE_PER_PREFIX_PER_MIN": "0", "ADVISORY_SCAN_INTERVAL_S": "0"}.items()}
os.chdir(folder)

from openmv_ota.server import app, auth, cli, scopes  # noqa: E402
import uvicorn  # noqa: E402
settings = cli._settings()
store = cli._store(settings)
cli._bootstrap(store, settings)
for name, has in (("admin", scopes.SCOPES), ("operator", ["manage"]), ("viewer", ["observe"])):
    store.add_token(auth.hash_token(name + "-word"), name, scopes.expand(has), account_id="")
uvicorn.run(app.create_app(settings, metastore=store), host="127.0.0.1", port=port, log_level="warning",
            timeout_graceful_shutdown=2)
