-- A line of a plan may be for the subscriptions of one billing cycle: a fee a month, or one a year.
-- Until now every line was billed in every period of every subscription, whatever its cadence said.
ALTER TABLE catalog.rate_cards
    DROP CONSTRAINT rate_cards_cadence_check,
    ALTER COLUMN cadence DROP NOT NULL;
ALTER TABLE catalog.rate_cards DISABLE TRIGGER rate_cards_are_final;
UPDATE catalog.rate_cards SET cadence = NULL;
ALTER TABLE catalog.rate_cards ENABLE TRIGGER rate_cards_are_final;
ALTER TABLE catalog.rate_cards
    ADD CHECK (
        cadence ~ '^((dai|week|month|quarter|year)ly|every ([2-9]|[1-9][0-9]{1,3}) [a-z]+s)$'
    );
