// SPDX-License-Identifier: Apache-2.0
// What an application does with @qdrant/js-client-rest, with what it expects. Ends with status 0 and the names of the calls it
// made as JSON, or throws.
//
//   node use_client.mjs URL COLLECTION FIRST_ID [API_KEY]
import assert from 'node:assert/strict';
import {QdrantClient} from '@qdrant/js-client-rest';

const [url, name, first_, apiKey] = process.argv.slice(2);
const first = Number(first_);
const client = new QdrantClient({url, apiKey, checkCompatibility: false, timeout: 120000});
const called = new Set();

// Every method through here, so that the caller can see what was covered.
async function call(method, ...args) {
    called.add(method);
    return client[method](...args);
}

const uuid = (n) => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;
const point = (n) => ({
    id: n % 3 ? n : uuid(n),
    vector: {a: [1, n % 97, 0.5, -1], b: [n % 13, 0.25], s: {indices: [1, 2 + (n % 5)], values: [0.5, 0.25]}},
    payload: {group: n % 3, n, text: 'é "\\ \u2028', deep: {list: [1, null, true, {}]}},
});
const range = (from, count) => Array.from({length: count}, (_, i) => from + i);
const ids = (from, count) => range(from, count).map((n) => point(n).id);
const group1 = {must: [{key: 'group', match: {value: 1}}, {has_id: ids(first, 60)}]};
const countOf = async (filter) => (await call('count', name, {exact: true, filter})).count;
const mine = (list) => ({must: [{has_id: list}]});

async function writes() {
    const done = await call('upsert', name, {wait: true, points: range(first, 30).map(point)});
    assert.equal(done.status, 'completed');
    const columns = range(first + 30, 10).map(point);
    await call('upsert', name, {wait: true, batch: {
        ids: columns.map((p) => p.id), payloads: columns.map((p) => p.payload),
        vectors: {a: columns.map((p) => p.vector.a), b: columns.map((p) => p.vector.b)},
    }});
    assert.equal(await countOf(mine(ids(first, 60))), 40);
    await call('setPayload', name, {wait: true, payload: {set: 1}, points: ids(first, 2)});
    await call('setPayload', name, {wait: true, payload: {grouped: true}, filter: group1});
    await call('overwritePayload', name, {wait: true, payload: {only: 1}, points: ids(first + 2, 1)});
    await call('deletePayload', name, {wait: true, keys: ['text'], points: ids(first + 3, 1)});
    await call('clearPayload', name, {wait: true, points: ids(first + 4, 1)});
    await call('updateVectors', name, {wait: true, points: [{id: point(first + 5).id, vector: {b: [9, 9]}}]});
    await call('deleteVectors', name, {wait: true, points: ids(first + 6, 1), vector: ['s']});
    await call('batchUpdate', name, {wait: true, operations: [
        {upsert: {points: [point(first + 50)]}},
        {set_payload: {payload: {batched: true}, points: ids(first + 50, 1)}},
        {delete: {points: ids(first + 7, 1)}},
    ]});
    await call('delete', name, {wait: true, points: ids(first + 8, 2)});
    assert.equal(await countOf(mine(ids(first, 60))), 38);
    await call('delete', name, {wait: true, filter: {must: [{key: 'batched', match: {value: true}}, {has_id: ids(first + 50, 1)}]}});
}

async function seen() {
    const list = await call('retrieve', name, {ids: ids(first, 10), with_payload: true, with_vector: true});
    const found = new Map(list.map((p) => [p.id, p]));
    const at = (n) => found.get(point(first + n).id);
    assert.equal(found.size, 7);
    assert.equal(at(0).payload.set, 1);
    assert.deepEqual(at(2).payload, {only: 1});
    assert.equal('text' in at(3).payload, false);
    assert.deepEqual(at(4).payload, {});
    assert.deepEqual(at(5).vector.b, [9, 9]);
    assert.equal('s' in at(6).vector, false);
    assert.equal(await countOf({must: [{key: 'grouped', match: {value: true}}, {has_id: ids(first, 60)}]}) > 5, true);
}

async function reads() {
    const page = await call('scroll', name, {limit: 5, with_payload: true, with_vector: true});
    assert.equal(page.points.length, 5);
    assert.notEqual(page.next_page_offset, null);
    const dense = {query: [1, 0, 0, 0], using: 'a', limit: 4, with_payload: true};
    assert.equal((await call('query', name, dense)).points.length, 4);
    assert.equal((await call('query', name, {query: {indices: [1], values: [1]}, using: 's', limit: 2})).points.length, 2);
    assert.deepEqual((await call('queryBatch', name, {searches: [dense, dense]})).map((r) => r.points.length), [4, 4]);
    const groups = await call('queryGroups', name, {...dense, group_by: 'group', group_size: 1});
    assert.equal(groups.groups.length, 3);
    const lookup_from = {collection: name, vector: 'a'};
    assert.equal((await call('query', name, {query: point(first).id, using: 'a', limit: 2, lookup_from})).points.length, 2);
    const fused = {prefetch: [{query: [1, 0, 0, 0], using: 'a', limit: 5}, {query: [1, 1], using: 'b', limit: 5}], query: {fusion: 'rrf'}};
    assert.equal((await call('query', name, {...fused, limit: 3})).points.length, 3);
    const pairs = await call('searchMatrixPairs', name, {using: 'a', sample: 5, limit: 2});
    assert.equal(pairs.pairs.length > 0, true);
    const offsets = await call('searchMatrixOffsets', name, {using: 'a', sample: 5, limit: 2});
    assert.equal(offsets.ids.length, 5);
}

async function collection() {
    assert.equal((await call('collectionExists', name)).exists, true);
    assert.equal((await call('getCollection', name)).config.params.vectors.a.size, 4);
    assert.equal((await call('getCollections')).collections.length > 0, true);
    assert.equal(Array.isArray((await call('getAliases')).aliases), true);
    assert.equal(Array.isArray((await call('getCollectionAliases', name)).aliases), true);
    assert.equal(typeof (await call('versionInfo')).version, 'string');
    await call('createPayloadIndex', name, {wait: true, field_name: 'group', field_schema: 'integer'});
    const facet = await call('facet', name, {key: 'group', limit: 5});
    assert.equal(facet.hits.length, 3);
    await call('deletePayloadIndex', name, 'group', {wait: true});
    await assert.rejects(call('getCollection', 'no such collection'), (error) => error.status === 404);
    await assert.rejects(call('delete', name, {points: ['not an id']}), (error) => error.status === 400);
}

await writes();
await seen();
await reads();
await collection();
console.log(JSON.stringify([...called].sort()));
