"""What the opposite venue answers, field by field; each default is the opposite of Binance's."""

from __future__ import annotations

from msgspec import Struct


class Answers(Struct, frozen=True, kw_only=True):
    """Each field is one answer, and ``BINANCE`` has each of them turned round."""

    plain_text: bool = True
    """A message is a line of text on plain TCP; else one of WebSocket."""
    one_connection: bool = True
    """Markets, orders and account on one connection; else markets have one of their own."""
    overlaps: bool = False
    """A second connection may stand beside one of its kind; else it is closed at once."""
    ages: bool = False
    """A connection is closed at some age."""
    pinged: bool = True
    """It has to be asked for a sign of life each second, or closes the connection."""
    asks_back: bool = True
    """It asks on a connection now and then whether somebody is there, and closes it if not."""
    tells_time: bool = False
    """It has a question for its time; else its clock is everybody's."""
    in_band: bool = True
    """A book begins with a snapshot on the feed, and each change names the one before; else the
    snapshot is asked for."""
    checked: bool = True
    """The book of ``BBB-QQQ`` is five levels deep, not numbered, and has checksums."""
    coarse: bool = True
    """Prices of ``BBB-QQQ`` have four significant digits at most; else every step is one."""
    inverse: bool = True
    """``BBB-QQQ`` is a contract of 1,000 QQQ that settles in BBB, and the account has a position in
    it; else what is bought is delivered."""
    dated: bool = True
    """``BBB-QQQ`` expires some day; else it never does."""
    token_in_band: bool = True
    """That token is asked for on the connection, and renewed there; else HTTP gives it."""
    token: bool = True
    """A connection is opened with a token that HTTP gives; else each request is signed."""
    hex_names: bool = True
    """Client order ids are 32 hexadecimal digits; else any text."""
    rising_ids: bool = False
    """Ids of orders and trades are numbers that rise; else they are any text."""
    tells_later: bool = True
    """An answer about an order says that it was taken, and the stream what became of it."""
    tells_whole: bool = False
    """Each report of an order states all of it; else the first does, and others what changed."""
    names_requests: bool = False
    """An answer about an order names the request; else the order alone."""
    reprices: bool = True
    """Price and size of an order can be changed where it stands; else it can be made smaller."""
    replaces: bool = False
    at_market: bool = False
    posts: bool = False
    """It has orders that are refused instead of trading at once."""
    by_the_day: bool = True
    """An order that is to stay stands for the venue's day; else until it is cancelled."""
    expires: bool = False
    """A request is valid for a while alone; else for ever."""
    dies_with_connection: bool = True
    """Orders are taken out when the connection is lost that they came on."""
    by_name: bool = False
    """An order is asked about by our name of it, too; else by the venue's id, or not alone."""
    of_account: bool = True
    """Open orders and fills are told of the whole account; else of one instrument."""
    paged: bool = True
    """A history comes in pages of three that overlap, in no order; else in one piece."""
    buckets: bool = True
    """Orders and cancels fill a bucket of each instrument, young ones more; else there are so many
    in each interval of the clock."""
    takes_leave: bool = True
    """It wants to hear a word before a connection is closed, with which orders outlive that; else
    closing says all."""
    pushes_status: bool = True
    """It says on the connection when it takes nothing; else only where it is asked."""
    refuses_in_words: bool = True
    """An error is a text alone; else it has a number, too."""


BINANCE = Answers(**{name: not getattr(Answers(), name) for name in Answers.__struct_fields__})
"""Every answer turned round."""
