"""Moving in: customers, their subjects and running subscriptions of another system, from files.

Owns: the tables as people write them, what a row comes to, what became of each, batches. Does not
own: creation, which is that of API and commands; formats of other systems.
Invariants: a row that is there already is compared with what it made then, and changes nothing; so
a run that was killed is run again. Nothing before `billed_through` is ever billed here, and no own
period in advance that began before `advance_billed_until`. Memory does not grow with the rows.
"""
