"""Whether a request comes from Twilio: `X-Twilio-Signature`, on webhooks and on the WebSocket upgrade.

Twilio signs the address that it dials and the fields of the form that it posts (Twilio, "Secure webhooks"). The address
is ours by configuration: a Host header is the peer's word. The upgrade's address is always the same, and so is its
signature: who has seen one can show it again, which is why a call needs a ticket as well.

Without further notice the key is the account's auth token and the hash SHA-1. A webhook may be signed by a shared key
instead, and then names it (Twilio, "Sign webhooks with shared keys", public beta).
"""

import base64
import enum
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

import attrs

from opusagent.secret import Secret

SIGNATURE_HEADER: Final = "x-twilio-signature"
SETTINGS_HEADER: Final = "x-twilio-webhooks-signature-settings"

Hash = Literal["sha1", "sha256"]
_HASHES: Final[dict[str, Hash]] = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_SETTINGS: Final = re.compile(r"key=([^,=\s]{1,128}),\s*algorithm=([A-Z0-9_]{1,32})")
_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class BadSignature(enum.Enum):
    """Why a request is not believed to be Twilio's."""

    MISSING = "missing"
    WRONG = "wrong"


@attrs.frozen
class SharedKey:
    """A key that Twilio was given to sign webhooks with, and its name there."""

    key_id: str
    secret: Secret


@attrs.frozen
class TwilioKeys:
    """What Twilio may sign with. Each is as right as any other, so that one can follow another."""

    auth_tokens: tuple[Secret, ...] = ()
    shared_keys: tuple[SharedKey, ...] = ()


@attrs.frozen
class SignedRequest:
    """What was signed: the forms that the address may have been written in, and the form's fields, if there is one."""

    urls: tuple[str, ...]
    fields: tuple[tuple[str, str], ...] = ()
    signature: str | None = None
    settings: str | None = None


def signature_of(key: str, url: str, fields: Sequence[tuple[str, str]], hash_name: Hash = "sha1") -> str:
    """The signature of `url` and a form's `fields`, in base64 (Twilio, "Secure webhooks").

    Behind the address stands each field's name and value without anything between: sorted, and what is twice is once.
    The example is the one that Twilio tests its own libraries with.

    >>> form = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309", "To": "+18005551212"}
    >>> form["Caller"] = "+14158675309"
    >>> signature_of("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", list(form.items()))
    'RSOYDt4T1cUTdK1PDd93/VVr8B8='
    """
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    mac = hmac.new(key.encode(), signed.encode("utf-8", "surrogatepass"), hash_name)
    return base64.b64encode(mac.digest()).decode()


def fault_of(request: SignedRequest, keys: TwilioKeys) -> BadSignature | None:
    """Why `request` is not Twilio's; None if it is.

    Every key is tried on every form of the address, always all of them: time does not tell which was nearly right.
    """
    if not request.signature:
        return BadSignature.MISSING
    given = request.signature.strip().encode("utf-8", "surrogatepass")
    right = [
        hmac.compare_digest(given, signature_of(key, url, request.fields, hash_name).encode())
        for key, hash_name in _candidates(keys, request.settings)
        for url in request.urls
    ]
    return None if any(right) else BadSignature.WRONG


def signed_urls(public_url: str, target: str, *, websocket: bool) -> tuple[str, ...]:
    """The forms in which Twilio may have written the address of `target` (path and query) behind `public_url`.

    A stream's is `wss:`, and `https:` for those that write it as HTTP does; each with the port as it stands, without
    one, and with the scheme's own, as Twilio's own validator tries them.

    >>> signed_urls("https://a.example", "/media", websocket=True)[:2]
    ('wss://a.example/media', 'wss://a.example:443/media')
    """
    parts = urlsplit(public_url)
    secure = parts.scheme == "https"
    plain = ("https",) if secure else ("http",)
    schemes = (("wss",) if secure else ("ws",)) + plain if websocket else plain
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.netloc.partition(":")[0]
    path = parts.path.rstrip("/") + target
    forms = (
        f"{scheme}://{place}{path}"
        for scheme in schemes
        for place in (parts.netloc, host, f"{host}:{parts.port or _PORTS[scheme]}")
    )
    return tuple(dict.fromkeys(forms))


def _candidates(keys: TwilioKeys, settings: str | None) -> Iterator[tuple[str, Hash]]:
    """The keys that may have signed, each with its hash: the one that is named, or else any auth token."""
    if settings is None:
        for token in keys.auth_tokens:
            yield token.reveal(), "sha1"
        return
    named = _SETTINGS.fullmatch(settings.strip())
    hash_name = _HASHES.get(named[2]) if named else None
    if named is not None and hash_name is not None:
        for key in keys.shared_keys:
            if key.key_id == named[1]:
                yield key.secret.reveal(), hash_name


def ticket_keys(keys: TwilioKeys) -> tuple[bytes, ...]:
    """Keys for tickets, made of those that Twilio signs with: the same in every process that has the configuration.

    HMAC is a key derivation here (NIST SP 800-108): a ticket tells nothing of the key that Twilio's signatures need.
    """
    secrets = (*keys.auth_tokens, *(key.secret for key in keys.shared_keys))
    return tuple(hmac.new(each.reveal().encode(), b"opusagent ticket 1", hashlib.sha256).digest() for each in secrets)
