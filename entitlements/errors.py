"""The errors of this package that a program may want to tell from others of their family."""

from __future__ import annotations

from core.errors import BusinessLogicError, ConflictError, NotFoundError


class UsageLimitExceededError(BusinessLogicError):
    """More than a hard limit leaves; `details` have used, limit and remaining."""

    code = "usage_limit_exceeded"


class NoActiveSubscriptionError(BusinessLogicError):
    """The customer has no subscription that is served now."""

    code = "no_active_subscription"


class FeatureNotGivenError(BusinessLogicError):
    """No subscription gives the feature to the customer now, or an override takes it away."""

    code = "feature_not_given"


class OverrideNotFoundError(NotFoundError):
    """The customer has no override with this id."""

    code = "override_not_found"


class GrantNotFoundError(NotFoundError):
    """The customer has no grant with this id."""

    code = "grant_not_found"


class HoldNotFoundError(NotFoundError):
    """No hold with this id."""

    code = "hold_not_found"


class HoldClosedError(ConflictError):
    """The hold was committed or released, or is over; `details` say which and when."""

    code = "hold_closed"
