"""Reading HTML as mail programs do: whatever it is, it is read to its end."""

from html.parser import HTMLParser


class HtmlReader(HTMLParser):
    """Python's reader, without the one thing that it stops at."""

    def __init__(self) -> None:
        """Give texts with their `&…;` read."""
        super().__init__(convert_charrefs=True)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Take `<![…` as the comment that it is for browsers, whatever stands in it; Python's own knows a few words and raises."""
        return self.parse_bogus_comment(i, report)
