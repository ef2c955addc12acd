"""Why the engine does not do what an account asks; a dialect puts each reason into its words."""

from enum import Enum


class Reason(Enum):
    """What is in the way."""

    INSUFFICIENT_FUNDS = "the account has too little of the asset"
    WOULD_TAKE = "a post-only order would trade at once"
    WOULD_TRIGGER = "a stop order would begin to work at once"
    PAIR_MISPLACED = "the orders of a pair do not stand on either side of the last price"
    DUPLICATE_ID = "an open order, or order list, has this client id"
    DUPLICATE_NEW_ID = "an open order has the client id that another one is to get"
    IDS_DIFFER = "the two ids name different orders"


class Refused(Exception):
    """The engine refuses, with nothing changed."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
