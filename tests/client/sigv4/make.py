#!/usr/bin/env python3
"""make.py: prints what AWS's own library (botocore) signs: the vectors of tests/client/test_sigv4.c.
Run it with an interpreter that has botocore (pip install botocore)."""
import datetime
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials

HOST = "iot.eu-west-1.amazonaws.com"
CASES = [("GET", "/jobs?maxResults=250", "", ""),
         ("GET", "/jobs?nextToken=a%2Fb%3D%3D&maxResults=2", "", ""),
         ("GET", "/things/odd%3Aname%20x/jobs?status=QUEUED", "", ""),
         ("PUT", "/jobs/andon-1", '{"targets":["x"]}', ""),
         ("PUT", "/things/a/jobs/b/cancel?force=true", "{}", "a/Token+of=some//length"),
         ("GET", "/things?x-a=1&x=2&maxResults=1&empty=", "", "t"),
         ("PATCH", "/thing%25/%C3%A4~._-", "\u00e4", "")]


class Then(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return cls(2026, 12, 1, 7, 5, 9)

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 12, 1, 7, 5, 9, tzinfo=tz)


for method, target, body, token in CASES:
    keys = botocore.credentials.Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token or None)
    q = botocore.awsrequest.AWSRequest(method, f"https://{HOST}{target}", {}, body.encode())
    with mock.patch("datetime.datetime", Then), mock.patch("botocore.auth.datetime", mock.Mock(datetime=Then), create=True), \
            mock.patch("botocore.auth.get_current_datetime", Then.utcnow, create=True):
        botocore.auth.SigV4Auth(keys, "iot", "eu-west-1").add_auth(q)
    assert q.headers["X-Amz-Date"] == "20261201T070509Z", q.headers["X-Amz-Date"]
    print(method, target, body.encode("unicode_escape").decode(), token, q.headers["Authorization"].split("Signature=")[1],
          sep="\t")
