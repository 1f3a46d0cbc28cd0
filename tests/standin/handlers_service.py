# SPDX-License-Identifier: Apache-2.0
"""The endpoints about the server itself: health, version, telemetry, metrics."""
from .context import Context
from .errors import Refusal
from .jsonio import encode
from .messages import Response

TEXT = "text/plain; charset=utf-8"


def root(ctx: Context):
    body = {"title": "qdrant - vector search engine", "version": ctx.version.text, "commit": ctx.version.commit}
    return Response(200, encode(body), "application/json")


def healthz(ctx: Context):
    return Response(200, b"healthz check passed", TEXT)


def readyz(ctx: Context):
    return Response(200, b"all shards are ready", TEXT)


def telemetry(ctx: Context):
    cluster = {"enabled": False}
    if ctx.version.has_update_queue:
        cluster["resharding_enabled"] = False
    responses = {key: {str(status): {"count": count} for status, count in counts.items()}
                 for key, counts in ctx.server.counts.items()}
    return {"id": ctx.server.server_id,
            "app": {"name": "qdrant", "version": ctx.version.text, "startup": ctx.server.started_at},
            "collections": {"number_of_collections": len(ctx.store.collections)},
            "cluster": cluster, "requests": {"rest": {"responses": responses}, "grpc": {"responses": {}}}}


def metrics(ctx: Context):
    lines = ["# HELP app_info information about qdrant server", "# TYPE app_info gauge",
             f'app_info{{name="qdrant",version="{ctx.version.text}"}} 1',
             "# HELP app_status_recovery_mode features enabled in qdrant server",
             "# TYPE app_status_recovery_mode gauge", "app_status_recovery_mode 0",
             "# HELP collections_total number of collections", "# TYPE collections_total gauge",
             f"collections_total {len(ctx.store.collections)}",
             "# HELP rest_responses_total total number of responses", "# TYPE rest_responses_total counter"]
    for key, counts in ctx.server.counts.items():
        method, _, pattern = key.partition(" ")
        lines.extend(f'rest_responses_total{{method="{method}",endpoint="{pattern}",status="{status}"}} {count}'
                     for status, count in counts.items())
    return Response(200, "\n".join(lines).encode() + b"\n", TEXT)


def issues(ctx: Context):
    return {"issues": []}


def clear_issues(ctx: Context):
    ctx.allow()
    return True


def cluster(ctx: Context):
    return {"status": "disabled"}


def locks(ctx: Context):
    return {"error_message": None, "write": False}


def no_full_snapshots(ctx: Context):
    return []


def not_imitated(ctx: Context):
    """A route the server has and this stand-in only knows by name: an honest failure, never a pretended success."""
    ctx.allow()
    raise Refusal(500, f"Service internal error: the stand-in does not imitate {ctx.route.method} "
                       f"{ctx.route.pattern}")
