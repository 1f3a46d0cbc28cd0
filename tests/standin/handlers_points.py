# SPDX-License-Identifier: Apache-2.0
"""The endpoints under /points: each decodes its body, finds its collection, checks rights, and hands on."""
from . import decoding, jsonio, queries, reads
from .context import Context

# ---- writes


def write(ctx: Context, decode, decode_json=jsonio.decode_structs):
    """One write: path, query and body first, then the collection, then the rights - the server's order."""
    name = ctx.name()
    wait, timeout_s = ctx.write_options()
    value = decode_json(ctx.request.body)
    operation = decode(value, ctx.version)
    collection = ctx.store.resolve(name)
    ctx.allow()
    if isinstance(operation, list):
        return last_of(run_all(collection, operation, wait, timeout_s))
    return collection.submit(operation, wait, timeout_s)


def upsert(ctx: Context):
    return write(ctx, decoding.decode_upsert, jsonio.decode)


def delete(ctx: Context):
    return write(ctx, decoding.decode_delete)


def update_vectors(ctx: Context):
    return write(ctx, decoding.decode_update_vectors)


def delete_vectors(ctx: Context):
    return write(ctx, decoding.decode_delete_vectors)


def set_payload(ctx: Context):
    return write(ctx, decoding.decode_set_payload)


def overwrite_payload(ctx: Context):
    return write(ctx, decoding.decode_overwrite_payload)


def delete_payload(ctx: Context):
    return write(ctx, decoding.decode_delete_payload)


def clear_payload(ctx: Context):
    return write(ctx, decoding.decode_clear_payload)


def batch(ctx: Context):
    """Operations one after the other; the first that fails ends it, those before it stay."""
    name = ctx.name()
    wait, timeout_s = ctx.write_options()
    value = jsonio.decode_structs(ctx.request.body)
    steps = decoding.decode_batch(value, ctx.version)
    collection = ctx.store.resolve(name)
    if steps:
        ctx.allow()
    return run_all(collection, steps, wait, timeout_s)


def run_all(collection, steps: list, wait: bool, timeout_s: float | None):
    """Results of all steps: a list at once, or a coroutine for it when one has to wait."""
    results = []
    for at, step in enumerate(steps):
        result = run_step(collection, step, wait, timeout_s)
        if not isinstance(result, dict):
            return run_rest(collection, results, result, steps[at + 1:], wait, timeout_s)
        results.append(result)
    return results


def run_step(collection, step, wait: bool, timeout_s: float | None):
    if isinstance(step, list):
        return last_of(run_all(collection, step, wait, timeout_s))
    return collection.submit(step, wait, timeout_s)


async def run_rest(collection, results: list, pending, rest: list, wait: bool, timeout_s: float | None) -> list:
    results.append(await pending)
    for step in rest:
        result = run_step(collection, step, wait, timeout_s)
        results.append(result if isinstance(result, dict) else await result)
    return results


def last_of(results):
    """Where the server runs two operations for one request, it answers with the second's result."""
    if isinstance(results, list):
        return results[-1]

    async def later():
        return (await results)[-1]
    return later()


# ---- reads

def read(ctx: Context, run, *required: str):
    name = ctx.name()
    ctx.read_options()
    body = ctx.body(*required)
    return run(ctx.store.resolve(name), body)


def retrieve(ctx: Context):
    return read(ctx, reads.retrieve, "ids")


def scroll(ctx: Context):
    return read(ctx, reads.scroll)


def count(ctx: Context):
    return read(ctx, reads.count)


def facet(ctx: Context):
    return read(ctx, reads.facet, "key")


def get_point(ctx: Context):
    collection = ctx.collection()
    return reads.get_point(collection, ctx.captured[1])


def one(ctx: Context, rewrite, where: str, *required: str):
    def run(collection, body):
        return queries.run(ctx.store, collection, rewrite(body), where)
    return read(ctx, run, *required)


def several(ctx: Context, rewrite, where: str) -> list:
    def run(collection, body):
        return [queries.run(ctx.store, collection, rewrite(search), where) for search in queries.searches(body)]
    return read(ctx, run, "searches")


def groups(ctx: Context, rewrite, where: str):
    def run(collection, body):
        return queries.run_groups(ctx.store, collection, rewrite(body), where)
    return read(ctx, run, "group_by")


def same(body: dict) -> dict:
    return body


def search(ctx: Context):
    return one(ctx, queries.from_search, "search_request.limit", "vector")


def search_batch(ctx: Context):
    return several(ctx, queries.from_search, "searches[0].search_request.limit")


def search_groups(ctx: Context):
    return groups(ctx, queries.from_search, "search_group_request.limit")


def recommend(ctx: Context):
    return one(ctx, queries.from_recommend, "recommend_request.limit")


def recommend_batch(ctx: Context):
    return several(ctx, queries.from_recommend, "searches[0].recommend_request.limit")


def recommend_groups(ctx: Context):
    return groups(ctx, queries.from_recommend, "recommend_group_request.limit")


def discover(ctx: Context):
    return one(ctx, queries.from_discover, "discover_request.limit")


def discover_batch(ctx: Context):
    return several(ctx, queries.from_discover, "searches[0].discover_request.limit")


def query(ctx: Context):
    def run(collection, body):
        return {"points": queries.run(ctx.store, collection, body, "internal.limit")}
    return read(ctx, run)


def query_batch(ctx: Context):
    def run(collection, body):
        return [{"points": queries.run(ctx.store, collection, search, "searches[0].internal.limit")}
                for search in queries.searches(body)]
    return read(ctx, run, "searches")


def query_groups(ctx: Context):
    return groups(ctx, same, "search_group_request.limit")


def matrix_pairs(ctx: Context):
    return read(ctx, lambda collection, body: queries.run_matrix(collection, body, as_offsets=False))


def matrix_offsets(ctx: Context):
    return read(ctx, lambda collection, body: queries.run_matrix(collection, body, as_offsets=True))
