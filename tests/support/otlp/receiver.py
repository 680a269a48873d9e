"""A receiver of OTLP traces for tests, over gRPC on loopback, by the published definitions of OpenTelemetry.

Prints its port as a line of JSON, and then a line for each request: the request itself in base64, its resource and its
spans. Ends when its standard input does.
"""

import base64
import concurrent.futures
import json
import sys
import threading

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

output = threading.Lock()


def say(value):
    with output:
        print(json.dumps(value), flush=True)


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def span(of):
    return {
        "name": of.name,
        "kind": trace_pb2.Span.SpanKind.Name(of.kind),
        "trace_id": of.trace_id.hex(),
        "span_id": of.span_id.hex(),
        "parent_span_id": of.parent_span_id.hex(),
        "attributes": attributes(of.attributes),
        "status": trace_pb2.Status.StatusCode.Name(of.status.code),
        "events": len(of.events),
        "links": len(of.links),
    }


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        for resource in request.resource_spans:
            say({
                "raw": base64.b64encode(request.SerializeToString()).decode(),
                "resource": attributes(resource.resource.attributes),
                "spans": [span(of) for scope in resource.scope_spans for of in scope.spans],
            })
        return trace_service_pb2.ExportTraceServiceResponse()


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
    say({"port": server.add_insecure_port("127.0.0.1:0")})
    server.start()
    sys.stdin.read()
    server.stop(None).wait()


if __name__ == "__main__":
    main()
