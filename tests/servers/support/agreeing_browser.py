"""A browser that agrees to whatever it is shown, for `BROWSER`: opens its argument, presses a button, follows.

Run as a program: `agreeing_browser.py ANSWER USER URL`; ANSWER is allow or deny.
"""

import sys
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener


def main(answer: str, user: str, url: str) -> None:
    """Open `url`, answer the form that it shows, and follow to the end."""
    browser = build_opener(ProxyHandler({}))
    page = browser.open(url, timeout=20)
    form = urlencode({"user": user, "answer": answer}).encode()
    browser.open(page.url, form, timeout=20).read()


if __name__ == "__main__":
    main(*sys.argv[1:])
