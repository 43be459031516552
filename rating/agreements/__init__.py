"""What is agreed over several lines and periods: commitments and overage smoothing.

Owns: what the parameters of an agreement mean, what it bills in a stretch of time, and the state
that it carries into the next. Does not own: which agreements a customer has, and when their terms
begin and end (`subscriptions/`); the prices of lines; where a state is kept.
Invariants: a function of the frames handed in, the state of what came before among them: the same
frames give the same frames. A term rated in parts comes to what it comes to as one. What is counted
is either drawn or beyond; what is committed is either drawn, rolled over or lapsed.
"""
