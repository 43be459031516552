-- Any interval that core.calendar.intervals writes, from a day to ten years. How many are allowed of
-- each unit is checked there; one text stands for one interval, so that rows can be compared.
ALTER TABLE subscriptions.subscriptions
    DROP CONSTRAINT subscriptions_billing_cycle_check,
    ADD CHECK (
        billing_cycle ~ '^((dai|week|month|quarter|year)ly|every ([2-9]|[1-9][0-9]{1,3}) [a-z]+s)$'
    );
