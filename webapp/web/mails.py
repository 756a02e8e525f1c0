"""A mail as it looks, for a frame on a page of ours."""

from flask import Response, make_response

# Mail programs want styles inline; nothing else in a mail may do anything. Shown in a frame.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def framed(html: str) -> Response:
    # Its links are meant for the whole window.
    response: Response = make_response(html.replace("<head>", '<head><base target="_top">', 1))
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
