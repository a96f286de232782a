#!/usr/bin/env python3
"""Checks that the page's Content-Security-Policy has the hashes of its inline scripts and style.

    python3 hashes.py            only tells; ends with 1 if one is wrong
    python3 hashes.py --write    puts the right ones in: after each change of the settings, the script or the style
"""

import base64
import hashlib
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).with_name("index.html")


def hashes(html: str, tag: str) -> str:
    """The hashes of all inline elements of this name, as the policy names them."""
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def main() -> int:
    html = PAGE.read_bytes().decode()
    right = html
    for tag in ("script", "style"):
        right = re.sub(rf"{tag}-src [^;]*;", lambda _: f"{tag}-src {hashes(html, tag)};", right, count=1)
    if right == html:
        print("the hashes are right")
        return 0
    if "--write" in sys.argv[1:]:
        PAGE.write_bytes(right.encode())
        print("the hashes were written")
        return 0
    print("the hashes are wrong: python3 hashes.py --write", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
