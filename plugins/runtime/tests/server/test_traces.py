import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

protocol: Any = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="OpenTelemetry's OTLP exporter is not installed"
)


def test_each_request_is_a_span_with_its_steps(start: Callable[..., Any], tiny: Path) -> None:
    spans: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            message = protocol.ExportTraceServiceRequest.FromString(body)
            spans.extend(s for r in message.resource_spans for scope in r.scope_spans for s in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        server = start(tiny, "--threads", 1, "--traces", f"http://127.0.0.1:{collector.server_port}/v1/traces")
        for stream in (False, True):
            body = {"prompt": "Once", "max_tokens": 5, "n": 2, "stream": stream, "logit_bias": {"257": -100}}
            headers = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "X-Request-Id": "t-1"}
            assert httpx.post(f"{server.url}/v1/completions", json=body, headers=headers).status_code == 200
        assert server.stop() == 0  # what is left is sent
        collector.shutdown()
    roots = [s for s in spans if s.name == "POST /v1/completions"]
    assert len(roots) == 2
    assert {s.trace_id.hex() for s in spans} == {"ab" * 16}
    assert {s.parent_span_id.hex() for s in roots} == {"cd" * 8}
    for root in roots:
        steps = [s for s in spans if s.parent_span_id == root.span_id]
        assert sorted(s.name for s in steps) == ["generation"] * 2 + ["prompt"] * 2 + ["queue"] * 2
        assert all(root.start_time_unix_nano <= s.start_time_unix_nano <= s.end_time_unix_nano for s in steps)
        assert all(s.end_time_unix_nano <= root.end_time_unix_nano for s in steps)
    written = {a.key: a.value for s in spans if s.name == "generation" for a in s.attributes}
    assert written["gen_ai.usage.output_tokens"].int_value == 5
    assert written["hub.finish"].string_value == "length"
