"""The stand-in's pages, on which payers agree, fail or cancel."""


class Pages:
    def page(self, path, query):
        """Return status and HTML of the page that asks the payer."""
        subject = self._asked(query)
        if subject is None:
            return 200, "<!doctype html><title>PayPal</title><p>This is over.</p>"
        fields = '<label>Email <input name="email" type="email" required></label>'
        wanted = fields if path == "/agree" else ""
        buttons = "".join(
            f'<button name="action" value="{value}"{extra}>{label}</button>'
            for value, label, extra in (
                ("agree", "Agree and continue", ""),
                ("fail", "Fail", " formnovalidate"),
                ("cancel", "Cancel and return", " formnovalidate"),
            )
        )
        return 200, (
            '<!doctype html><html lang="en"><title>PayPal</title><h1>PayPal</h1>'
            f'<form method="post">{wanted}{buttons}</form></html>'
        )

    def decide(self, path, query, form):
        """Apply the payer's action and return the address to redirect to."""
        with self.lock:
            id_, subject = query["token"][0], self._asked(query)
            back = self._ways_back[id_]
            action = form["action"][0]
            if subject is None or action == "cancel":
                return back["cancel_url"]
            if action == "fail":
                self._touch(subject, status="VOIDED")
            elif path == "/agree":
                email = form["email"][0]
                subject["status"] = "APPROVED"
                subject["payment_source"] = {"paypal": self.payers.wallet(email)}
            else:
                self._touch(subject, status="APPROVED")
            return back["return_url"]

    def _asked(self, query):
        id_ = query.get("token", [""])[0]
        subject = self.setups.get(id_) or self.orders.get(id_)
        waits = subject is not None and subject["status"] == "PAYER_ACTION_REQUIRED"
        return subject if waits else None
