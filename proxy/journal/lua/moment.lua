-- moment: a reconcile begins to compare. Adds the moment, 1 if its end will not be believed (requests nobody can name
-- may still land, a replica has not reported, or an ALL is under way), and the incarnation that the moment is one of.

local stop = enter()
if stop then
    return stop
end
local is_early = hold_all or alls > 0 or not are_all_in()
return answer('OK', moment, is_early and 1 or 0, inc)
