-- join: replica, links, inc_new, known_inc, known_beat, was_dual, in_doubt, alive, peers, dual, known_seq, known_count. A replica
-- registers, the first time or again, and gets sessions <replica>/<boot>/0 to /<links>.
--   inc_new    the incarnation to create if there is none
--   known_inc, known_beat   what it last heard here, perhaps in an earlier life; '' and 0: nothing
--   known_seq, known_count  of this process, under its present boot: the largest seq of any answer, and how many answers there
--              were; 0 and 0 in a new process
--   was_dual   it has written both sides in an earlier life; in_doubt: it may have lost what it kept on its disk
--   alive      the process that had the old sessions is the one that calls, and knows how its own ops end
--   peers      the other replicas that it knew, separated by blanks
-- Adds inc, boot, beat, and what `describe` tells. `rolled` is 1 if Redis has lost steps of this replica's.

local name, links = ARGV[1], tonumber(ARGV[2]) or error('no number of links')
local inc_new, known_inc, known_beat = ARGV[3], ARGV[4], tonumber(ARGV[5]) or 0
local was_dual, in_doubt, is_alive = ARGV[6] == '1', ARGV[7] == '1', ARGV[8] == '1'
local peers, dual, known_seq, known_count = ARGV[9], tonumber(ARGV[10]) or 0, tonumber(ARGV[11]) or 0, tonumber(ARGV[12]) or 0

local record = inc and (read_replica(name) or read_replica(name, 'left')) or {state = 'lapsed', beat = 0, seen = 0, count = 0}
local seen, count = record.seen, record.count
local is_new = not inc
if is_new then
    -- What is left without its meta is a wreck: its seqs would stand above those that are given from now on.
    local left = call('DEL', base .. 'rep', base .. 'sess', base .. 'ops', base .. 'fl', base .. 'more', base .. 'dirty', base .. 'held',
        base .. 'tried', base .. 'touch', base .. 'copies', base .. 'lists', base .. 'cids',
        base .. 'left', base .. 'waits')
    inc = inc_new
    call('HSET', base .. 'meta', 'inc', inc)
    lose(was_dual or in_doubt or known_inc ~= '' or left > 0)
elseif record.state == 'in' then
    seen, count = end_sessions(name, is_alive)
elseif leader == name then
    leader = ''
    call('HSET', base .. 'meta', 'leader', '')
end

-- What was lost before `rolled` has been noticed there, and nobody has run a script under an older boot since.
if not is_new and known_inc == inc and (record.beat < known_beat or seen < known_seq or count < known_count) then
    rolled = 1
    if known_seq == 0 or known_seq >= rolled_at then
        roll_back(known_seq)
    end
end
if not is_new and (in_doubt or (known_inc ~= inc and (known_inc ~= '' or was_dual))) then
    -- It comes from before this incarnation, or has written without any: what it did is on no record here.
    lose(true)
end
-- Peers may have kept something on their disks: no gate opens before they are back.
for peer in string.gmatch((is_new or rolled == 1) and peers or '', '%S+') do
    if peer ~= name and not read_replica(peer) then
        write_replica(peer, {state = 'lapsed', beat = 0, dual = 0, boot = 0, seen = 0, count = 0})
    end
end

grow()
local boot = digits(seq)
record = {state = 'in', beat = math.max(record.beat, known_inc == inc and known_beat or 0) + 1, dual = dual, boot = seq,
    seen = 0, count = 0}
write_replica(name, record)
call('HDEL', base .. 'left', name)
for n = 0, links do
    call('HSET', base .. 'sess', name .. '/' .. boot .. '/' .. n, '0 ' .. digits(seq))
end
return answer('OK', inc, seq, record.beat, unpack(describe()))
