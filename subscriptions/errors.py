"""The errors of this package that a program may want to tell from others of their family."""

from __future__ import annotations

from core.errors import BusinessLogicError, NotFoundError


class CustomerNotFoundError(NotFoundError):
    """No customer with this id or slug; one that was deleted is found by its id alone."""

    code = "customer_not_found"


class SubscriptionNotFoundError(NotFoundError):
    """No subscription of this tenant has this id or slug."""

    code = "subscription_not_found"


class ContractNotFoundError(NotFoundError):
    """No contract of this tenant has this id or slug."""

    code = "contract_not_found"


class LimitReachedError(BusinessLogicError):
    """The tenant may not have more of it."""

    code = "limit_reached"
