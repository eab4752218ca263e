"""A time stamping authority (RFC 3161) over http: the openssl command's own."""
import http.server
import subprocess
import threading

CONF = """[tsa]
default_tsa = one
[one]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[ext]
extendedKeyUsage = critical,timeStamping
[req]
distinguished_name = dn
[dn]
"""


def sh(where, text):
    r = subprocess.run(["sh", "-c", text], cwd=where, capture_output=True)
    assert r.returncode == 0, (text, r.stdout, r.stderr)
    return r.stdout.decode()


class Authority:
    def __init__(self, folder):
        (folder / "conf").write_text(CONF)
        (folder / "serial").write_text("01\n")
        key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        sh(folder, f"openssl req -x509 {key} -keyout ca.key -out root.pem -days 30 -subj /CN=Root && "
                   f"openssl req {key} -keyout tsa.key -out tsa.csr -subj '/O=Clockwork/CN=tsa' && "
                   "openssl x509 -req -in tsa.csr -CA root.pem -CAkey ca.key -CAcreateserial -days 20 -extfile conf "
                   "-extensions ext -out tsa.pem")
        outer = self
        self.folder, self.asked, self.down = folder, 0, False

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query", self.headers
                outer.asked += 1
                if outer.down:
                    self.send_error(503)
                    return
                (folder / "q").write_bytes(body)
                sh(folder, "openssl ts -reply -config conf -queryfile q -signer tsa.pem -inkey tsa.key -out r")
                r = (folder / "r").read_bytes()
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(r)))
                self.end_headers()
                try:
                    self.wfile.write(r)
                except BrokenPipeError:
                    pass  # a guard that ends does not wait for its stamp

            def log_message(self, *a):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/tsr"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
