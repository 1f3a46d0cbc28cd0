-- take: max. Adds up to so many dirty ids, oldest first, packed, that a copy could bring nearer now: no write is in flight on
-- them, no copy has them in hand, and no copy has been tried since a request began that may still land on them. An ALL in
-- flight does not count: where filters follow one another, only a copy that excludes writers gets through, and it begins here.

local stop = enter()
if stop then
    return stop
end
local max = tonumber(ARGV[4]) or error('no number')
local LOOK_MAX, PAGE = 20000, 1000
local ranges = {}
for _, copy in pairs(running_copies()) do
    if copy.range then
        ranges[#ranges + 1] = copy
    end
end

local function is_in_a_range(id)
    for _, range in ipairs(ranges) do
        if is_in_range(range, id) then
            return true
        end
    end
    return false
end

-- Most often there is nothing of the kind at all.
local function look_up_if_any(command, key, ids)
    return call('EXISTS', base .. key) == 1 and look_up(command, key, ids) or {}
end

local taken = {}
for first = 0, LOOK_MAX - 1, PAGE do
    local ids = #taken < max and call('ZRANGE', base .. 'dirty', first, first + PAGE - 1) or {}
    if #ids == 0 then
        break
    end
    local flying, in_hand = look_up_if_any('SMISMEMBER', 'fl', ids), look_up_if_any('HMGET', 'cids', ids)
    local tried = look_up_if_any('HMGET', 'tried', ids)
    for i = 1, #ids do
        if #taken < max and flying[i] ~= 1 and not in_hand[i] and not tried[i] and not is_in_a_range(ids[i]) then
            taken[#taken + 1] = ids[i]
        end
    end
end
return answer('OK', table.concat(taken))
