-- copy_begin: copy, token, range (0 or 1), excl (0 or 1), from, to, ids ('' for an open end; ids of a list). BUSY: an id is in
-- at most one copy at a time. Adds how many writers are in flight in its scope.

local stop = enter()
if stop then
    return stop
end
local name, ids = ARGV[4], split(ARGV[10])
local copy = {token = token, range = ARGV[6] == '1', excl = ARGV[7] == '1', from = ARGV[8], to = ARGV[9], orphan = false}
if is_fenced(ARGV[5]) then
    return answer('FENCED')
end

local function ranges_overlap(a, b)
    return (a.to == '' or b.from == '' or less(b.from, a.to)) and (b.to == '' or a.from == '' or less(a.from, b.to))
end

local function has_one_in_range(range, of)
    for _, id in ipairs(of) do
        if is_in_range(range, id) then
            return true
        end
    end
    return false
end

local function is_in_hand()
    if copy.range then
        if has_one_in_range(copy, call('HKEYS', base .. 'cids')) then
            return true
        end
    else
        for _, other in ipairs(look_up('HMGET', 'cids', ids)) do
            if other then
                return true
            end
        end
    end
    for _, other in pairs(running_copies()) do
        if other.range and (copy.range and ranges_overlap(copy, other) or not copy.range and has_one_in_range(other, ids)) then
            return true
        end
    end
    return false
end

if call('HEXISTS', base .. 'copies', name) == 1 or is_in_hand() then
    return answer('BUSY')
end
grow()
copy.s0 = seq
call('HSET', base .. 'copies', name, cmsgpack.pack(copy))
if not copy.range then
    call('HSET', base .. 'lists', name, ARGV[10])
    set_all('cids', ids, name)
end
if copy.excl then
    set_excls(excls + 1)
end
return answer('OK', count_writers(name, copy))
