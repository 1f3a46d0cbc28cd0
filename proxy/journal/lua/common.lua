-- SPDX-License-Identifier: Apache-2.0
-- What every step of the journal stands on. Each verb is one script: this text and the verb's own behind it. A script is
-- atomic, and is sent once: nothing here has to expect the same command a second time.
--
-- KEYS[1] is the base of a migration's keys, which share one hash slot. Behind the base:
--   meta    hash  inc       the incarnation: another one, or none, means that Redis was emptied
--                 seq       grows with each script that changes something; the journal's only clock
--                 unknown   1: points may differ that are not in `dirty`; only a reconcile ends that (known)
--                 moment    grows with each event that makes it unknown; a reconcile must see the same one at both its ends.
--                           Never given twice: where Redis has lost steps it jumps, as seq does, and is no larger than that
--                 leader    the replica that may copy, '' for none; token: the seq of its claim, carried by its copies
--                 rolled    the seq at which it was noticed that Redis has lost steps
--                 hold_all  the seq at which a hold of unknown scope began; missing: there is none
--                 touch_all the seq of the latest touch of everything
--                 alls      how many ops in flight have unknown scope (ALL)
--                 turn      the op of an ALL that waits until nothing is in flight, so that nobody may begin before it
--                 excls     how many running copies exclude writers
--   rep     hash  replica -> {state = 'in' or 'lapsed', beat, dual, boot, seen, count}, packed; of a lapsed one: the seq of its
--                 last script, and how many it had run under this boot
--   left    hash  the same of those that have said goodbye: not registered, but what they had been answered was here
--   sess    hash  session -> '<counter> <seq>' of its last script; sessions are '<replica>/<boot>/<n>'
--   ops     hash  op -> {session, all, ids}, packed: the writes in flight
--   fl      set   the ids in flight; more: hash, id -> how many ops name it besides the first (forced ones do)
--   waits   hash  op -> session, of each ALL that was sent away and may ask again; it is on record nowhere else
--   dirty   zset  id -> when it became dirty, ms of Redis's clock: only for the order and the age
--   held    zset  id -> the seq at which its latest hold began; every held id is dirty too
--   tried   hash  held ids for which a copy could do no more: trying again makes sense when the hold is over
--   touch   zset  id -> the seq of its latest touch; kept while copies run, as far back as the oldest of them
--   copies  hash  copy -> {token, s0, range, excl, from, to, orphan}, packed: the running copies; orphan: the seq at which
--                 its leader was replaced, or false
--   lists   hash  copy -> packed ids, of the copies that are not ranges; cids: id -> copy, of the same
--
-- Ids are packed: 'n' and 8 bytes, or 'u' and 16 bytes, most significant first. A list of ids is their concatenation. The
-- order of ids is that of the bytes, which Lua's `<` is not (it asks the locale).
--
-- The rules that all verbs keep:
--   * An id leaves `dirty` in copy_end alone.
--   * Whatever may have changed a point, or makes it dirty, is a touch: begin, end, a lapse, an unknown outcome, the end of
--     a hold. A copy cleans only what was not touched since its s0, is not in flight, and is not held.
--   * An event whose ids nobody can name makes the migration unknown, touches everything, and moves `moment` on; if
--     requests may still land, it holds everything as well, and no reconcile is believed before that hold is over.
--
-- Answers: a status, then seq, unknown, dirty, ops in flight, held, hold_all (0 or 1), rolled (0 or 1), then the verb's own.
-- EMPTY, OTHER and LAPSED stand alone: nothing was done, and the caller has to join again.

local call, base = redis.call, KEYS[1]
local byte, sub, format = string.byte, string.sub, string.format

local LIMIT = 4000 -- arguments of one command: Lua unpacks no more than about 8000
-- How far seq jumps when Redis has lost steps: past every number that was given out and lost, so that none is given
-- twice. Numbers are doubles here, exact up to 2^53: there is room for two million such losses.
local JUMP = 4294967296

local meta = call('HMGET', base .. 'meta', 'inc', 'seq', 'unknown', 'moment', 'leader', 'token', 'hold_all', 'touch_all',
    'alls', 'turn', 'excls', 'rolled')
local inc, seq, unknown, moment = meta[1], tonumber(meta[2]) or 0, tonumber(meta[3]) or 0, tonumber(meta[4]) or 0
local leader, token = meta[5] or '', tonumber(meta[6]) or 0
local hold_all, touch_all = tonumber(meta[7]), tonumber(meta[8]) or 0
local alls, turn, excls = tonumber(meta[9]) or 0, meta[10], tonumber(meta[11]) or 0
local rolled_at = tonumber(meta[12]) or 0
local session, counter, replica -- of the caller
local has_grown, rolled = false, 0

-- Lua would write large numbers as 1e+15.
local function digits(number)
    return format('%.0f', number)
end

-- To be called before the first change of a script: what it writes bears the new seq.
local function grow()
    if not has_grown then
        has_grown = true
        seq = seq + 1
    end
end

-- --- Lists of ids, and commands over them in pieces ---

-- Raises an error for what is not a list of ids; so verbs split what they were given before they change anything.
local function split(packed)
    local ids, n, at, stop = {}, 0, 1, #packed
    while at <= stop do
        local kind = byte(packed, at)
        local after = at + (kind == 110 and 9 or kind == 117 and 17 or error('no packed id'))
        n = n + 1
        ids[n] = sub(packed, at, after - 1)
        at = after
    end
    if at ~= stop + 1 then
        error('a packed id is cut off')
    end
    return ids
end

local function less(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = byte(a, i), byte(b, i)
        if x ~= y then
            return x < y
        end
    end
    return #a < #b
end

-- Any command of the shape: key, ids.
local function apply(command, key, ids)
    for i = 1, #ids, LIMIT do
        call(command, base .. key, unpack(ids, i, math.min(i + LIMIT - 1, #ids)))
    end
end

-- HMGET, ZMSCORE, SMISMEMBER: a list beside `ids`; for the first two, false where there is nothing.
local function look_up(command, key, ids)
    local count = #ids
    if count > 0 and count <= LIMIT then
        return call(command, base .. key, unpack(ids))
    end
    local found = {}
    for i = 1, count, LIMIT do
        local part = call(command, base .. key, unpack(ids, i, math.min(i + LIMIT - 1, count)))
        for j = 1, #part do
            found[i + j - 1] = part[j]
        end
    end
    return found
end

-- HSET of one value for all of `ids`.
local function set_all(key, ids, value)
    for i = 1, #ids, LIMIT / 2 do
        local args, n = {'HSET', base .. key}, 2
        for j = i, math.min(i + LIMIT / 2 - 1, #ids) do
            args[n + 1], args[n + 2] = ids[j], value
            n = n + 2
        end
        call(unpack(args, 1, n))
    end
end

-- ZADD of one score for all of `ids`; `flag` is NX, or GT, which changes nothing when the scores only grow.
local function score_all(key, ids, score, flag)
    for i = 1, #ids, LIMIT / 2 do
        local args, n = {'ZADD', base .. key, flag}, 3
        for j = i, math.min(i + LIMIT / 2 - 1, #ids) do
            args[n + 1], args[n + 2] = score, ids[j]
            n = n + 2
        end
        call(unpack(args, 1, n))
    end
end

-- --- Touched, dirty, held, unknown ---

-- Nobody asks for touches but the end of a copy, so without a running copy there is nothing to remember: the next one
-- begins with an s0 of its own. Redis keeps a small zset as a list, which it walks along for each id, three times slower for
-- a write of a hundred ids; a long member in its first moment makes it a tree at once.
local function touch(ids)
    if #ids > 0 and call('EXISTS', base .. 'copies') == 1 then
        grow()
        local long = call('EXISTS', base .. 'touch') == 0 and string.rep('-', 100)
        if long then
            call('ZADD', base .. 'touch', 0, long)
        end
        score_all('touch', ids, digits(seq), 'GT')
        if long then
            call('ZREM', base .. 'touch', long)
        end
    end
end

local function touch_everything()
    grow()
    touch_all = seq
    call('HSET', base .. 'meta', 'touch_all', digits(seq))
end

local function now_ms()
    local time = call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function make_dirty(ids)
    if #ids > 0 then
        grow()
        score_all('dirty', ids, digits(now_ms()), 'NX')
        touch(ids)
    end
end

-- A request that changes these points may still land. A new hold makes an older one longer.
local function hold(ids)
    if #ids > 0 then
        make_dirty(ids)
        score_all('held', ids, digits(seq), 'GT')
        apply('HDEL', 'tried', ids)
    end
end

-- Something happened to points that nobody can name. `may_land`: and it may still go on.
local function lose(may_land)
    touch_everything()
    unknown, moment = 1, moment + 1
    call('HSET', base .. 'meta', 'unknown', 1, 'moment', digits(moment))
    if may_land then
        hold_all = seq
        call('HSET', base .. 'meta', 'hold_all', digits(seq))
    end
end

-- Redis has lost steps: a replica knows of more of its own than are stored. Which points they were about nobody knows,
-- nor what is in flight on them, nor which copies run; and what is on record may have ended since. So everybody has to
-- join again, which puts its open ops in order. The leader stays leader until it has heard of this, so that nobody else
-- copies before.
local function roll_back(known_seq)
    has_grown = true
    seq = math.max(seq, known_seq) + JUMP
    rolled_at = seq
    moment = seq - 1 -- it jumps as well
    call('HSET', base .. 'meta', 'seq', digits(seq), 'rolled', digits(seq))
    lose(true)
end

-- --- Writes in flight ---

-- The ids of an op that ends: one op less names them.
local function land(ids)
    if call('EXISTS', base .. 'more') == 0 then
        return apply('SREM', 'fl', ids)
    end
    local more, gone = look_up('HMGET', 'more', ids), {}
    for i = 1, #ids do
        if not more[i] then
            gone[#gone + 1] = ids[i]
        elseif call('HINCRBY', base .. 'more', ids[i], -1) == 0 then
            call('HDEL', base .. 'more', ids[i])
        end
    end
    apply('SREM', 'fl', gone)
end

local function add_alls(number)
    alls = alls + number
    call('HSET', base .. 'meta', 'alls', alls)
end

-- Takes an op off the record. Answers its ids (none for ALL) and whether it is an ALL; nil if it is not on record.
local function take_op(op)
    local packed = call('HGET', base .. 'ops', op)
    if not packed then
        return nil
    end
    local record = cmsgpack.unpack(packed)
    local ids = split(record.ids)
    call('HDEL', base .. 'ops', op)
    if record.all == 1 then
        add_alls(-1)
    else
        land(ids)
    end
    return ids, record.all == 1
end

local function wait_for_turn(op)
    grow()
    call('HSET', base .. 'waits', op, session)
    if not turn then
        turn = op
        call('HSET', base .. 'meta', 'turn', op)
    end
end

-- Answers whether the op has waited.
local function wait_no_more(op)
    if turn == op then
        turn = false
        call('HDEL', base .. 'meta', 'turn')
    end
    return call('HDEL', base .. 'waits', op) == 1
end

-- --- Copies ---

local function running_copies()
    local packed, copies = call('HGETALL', base .. 'copies'), {}
    for i = 1, #packed, 2 do
        copies[packed[i]] = cmsgpack.unpack(packed[i + 1])
    end
    return copies
end

local function is_in_range(copy, id)
    return (copy.from == '' or not less(id, copy.from)) and (copy.to == '' or less(id, copy.to))
end

local function set_excls(number)
    excls = number
    call('HSET', base .. 'meta', 'excls', number)
end

-- A list copy's ids.
local function listed(copy)
    return split(call('HGET', base .. 'lists', copy) or '')
end

-- Forgets touches that no running copy asks for.
local function trim_touches()
    local oldest
    for _, copy in pairs(running_copies()) do
        oldest = math.min(oldest or copy.s0, copy.s0)
    end
    if oldest then
        call('ZREMRANGEBYSCORE', base .. 'touch', '-inf', digits(oldest))
    else
        call('DEL', base .. 'touch')
        call('HDEL', base .. 'meta', 'touch_all')
    end
end

local function drop_copy(name, copy)
    grow()
    if not copy.range then
        apply('HDEL', 'cids', listed(name))
        call('HDEL', base .. 'lists', name)
    end
    if copy.excl then
        set_excls(excls - 1)
    end
    call('HDEL', base .. 'copies', name)
end

-- The ids of a range that were touched since its copy began.
local function touched_in_range(copy)
    local ids = {}
    for _, id in ipairs(call('ZRANGEBYSCORE', base .. 'touch', '(' .. digits(copy.s0), '+inf')) do
        if is_in_range(copy, id) then
            ids[#ids + 1] = id
        end
    end
    return ids
end

-- How many ids in a copy's scope are in flight; an ALL counts as one.
local function count_writers(name, copy)
    local count = alls
    if copy.range then
        for _, id in ipairs(call('SMEMBERS', base .. 'fl')) do
            count = count + (is_in_range(copy, id) and 1 or 0)
        end
    else
        for _, is_flying in ipairs(look_up('SMISMEMBER', 'fl', listed(name))) do
            count = count + is_flying
        end
    end
    return count
end

-- A copy whose leader is not the leader any more. What it still writes is older than what others may write now. The
-- ids of a list are dirty and held, and it is over. A range has too many to name: it stays on record, so that nobody else
-- copies there and touches in it are kept, until its requests cannot land any more (release).
local function make_orphan(name, copy)
    grow()
    if not copy.range then
        local ids = listed(name)
        drop_copy(name, copy)
        hold(ids)
    elseif not copy.orphan then
        if copy.excl then
            set_excls(excls - 1)
        end
        copy.orphan, copy.excl = seq, false
        call('HSET', base .. 'copies', name, cmsgpack.pack(copy))
    end
end

-- --- Replicas ---

local function replica_of(name)
    return string.match(name, '^([^/]*)/')
end

-- `key`: 'left' for those that have said goodbye.
local function read_replica(name, key)
    local packed = call('HGET', base .. (key or 'rep'), name)
    return packed and cmsgpack.unpack(packed)
end

local function write_replica(name, record, key)
    call('HSET', base .. (key or 'rep'), name, cmsgpack.pack(record))
end

-- A session's counter, and the seq of its last script.
local function read_session(stored)
    local count, last = string.match(stored, '^(%d+) (%d+)$')
    return tonumber(count), tonumber(last)
end

-- A replica's sessions, the seq of the last script that it has run, and how many it has.
local function sessions_of(name)
    local all_sessions, mine, seen, count = call('HGETALL', base .. 'sess'), {}, 0, 0
    for i = 1, #all_sessions, 2 do
        if replica_of(all_sessions[i]) == name then
            local own_count, last = read_session(all_sessions[i + 1])
            mine[#mine + 1] = all_sessions[i]
            seen, count = math.max(seen, last), count + own_count
        end
    end
    return mine, seen, count
end

-- Ends a replica's sessions. What it has in flight becomes dirty; unless the replica itself says that it is `alive`, and
-- so knows how its ops end, they may also still land. Answers as sessions_of the last seq and the count.
local function end_sessions(name, is_alive)
    grow()
    local all_ops = call('HGETALL', base .. 'ops')
    for i = 1, #all_ops, 2 do
        if replica_of(cmsgpack.unpack(all_ops[i + 1]).session) == name then
            local ids, is_all = take_op(all_ops[i])
            if is_all then
                lose(not is_alive)
            elseif is_alive then
                make_dirty(ids)
            else
                hold(ids)
            end
        end
    end
    local waits = call('HGETALL', base .. 'waits')
    for i = 1, #waits, 2 do
        if replica_of(waits[i + 1]) == name then
            wait_no_more(waits[i])
        end
    end
    local mine, seen, count = sessions_of(name)
    apply('HDEL', 'sess', mine)
    if leader == name then
        leader = ''
        call('HSET', base .. 'meta', 'leader', '')
    end
    return seen, count
end

local function are_all_in()
    for _, packed in ipairs(call('HVALS', base .. 'rep')) do
        if cmsgpack.unpack(packed).state ~= 'in' then
            return false
        end
    end
    return true
end

-- --- The frame of a verb ---

-- Checks who calls: ARGV[1] incarnation, [2] session, [3] counter; a verb's own arguments begin with ARGV[4]. Answers
-- nil, or else what the verb must answer at once.
local function enter()
    if not inc then
        return {'EMPTY'}
    end
    if inc ~= ARGV[1] then
        return {'OTHER'}
    end
    session = ARGV[2]
    local stored = call('HGET', base .. 'sess', session)
    if not stored then
        return {'LAPSED'}
    end
    local count, last = read_session(stored)
    if last < rolled_at then
        return {'LAPSED'}
    end
    counter = tonumber(ARGV[3]) or error('no counter')
    replica = replica_of(session)
    if counter ~= count + 1 then
        roll_back(0)
        return {'LAPSED'}
    end
end

-- Only the leader, and only under its present claim.
local function is_fenced(claim)
    return leader ~= replica or token ~= tonumber(claim)
end

-- The answer. A session's counter is stored last: a script that dies half-way through leaves it behind, and the next one
-- finds that something is missing.
local function answer(status, ...)
    if has_grown then
        call('HSET', base .. 'meta', 'seq', digits(seq))
    end
    if session then
        call('HSET', base .. 'sess', session, digits(counter) .. ' ' .. digits(seq))
    end
    return {status, seq, unknown, call('ZCARD', base .. 'dirty'), call('HLEN', base .. 'ops'),
        call('ZCARD', base .. 'held'), hold_all and 1 or 0, rolled, ...}
end

-- What `state` and its like add: running copies, age of the oldest dirty id in ms, leader, token, and four elements for
-- each replica: name, state, beat, dual.
local function describe()
    local oldest = call('ZRANGE', base .. 'dirty', 0, 0, 'WITHSCORES')
    local age = oldest[2] and math.max(0, now_ms() - tonumber(oldest[2])) or 0
    local found = {call('HLEN', base .. 'copies'), age, leader, token}
    local packed = call('HGETALL', base .. 'rep')
    for i = 1, #packed, 2 do
        local record = cmsgpack.unpack(packed[i + 1])
        local n = #found
        found[n + 1], found[n + 2], found[n + 3], found[n + 4] = packed[i], record.state, record.beat, record.dual
    end
    return found
end

