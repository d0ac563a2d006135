"""Sensitive values, documents, paths, addresses and events."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
import unittest

from quaymaster import InputError, QuaymasterError, Secret, Sensitive, UnreachableError
from quaymaster._broker_url import parse_broker_url
from quaymaster._document import Body, parse_document
from quaymaster._errors import ApiError, plain_text
from quaymaster._events import EventParser
from quaymaster._secret import checked_path, checked_paths, checked_version, read_secret

CANARY = "canary-of-a-value"


class SensitiveValues(unittest.TestCase):
    def test_are_returned_by_reveal_only(self) -> None:
        value = Sensitive(CANARY)
        self.assertEqual(value.reveal(), CANARY)
        self.assertEqual(value.reveal_bytes(), CANARY.encode())
        for shown in (repr(value), str(value), f"{value}", f"{value!r:>40}", "%s %r" % (value, value), repr([value])):
            self.assertNotIn(CANARY, shown)

    def test_do_not_reach_the_log(self) -> None:
        with self.assertLogs("quaymaster", logging.INFO) as caught:
            logging.getLogger("quaymaster").info("%s %r", Sensitive(CANARY), {"password": Sensitive(CANARY)})
        self.assertNotIn(CANARY, "".join(caught.output))

    def test_cannot_be_pickled_alone_or_in_a_secret(self) -> None:
        for value in (Sensitive(CANARY), Secret("a", "1", {"k": Sensitive(CANARY)}, None)):
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                with self.assertRaises(TypeError) as caught:
                    pickle.dumps(value, protocol)
                self.assertNotIn(CANARY, str(caught.exception))

    def test_have_no_state_for_other_serializers(self) -> None:
        with self.assertRaises(TypeError):
            Sensitive(CANARY).__getstate__()

    def test_have_no_attributes_that_show_them(self) -> None:
        value = Sensitive(CANARY)
        self.assertFalse(hasattr(value, "__dict__"))
        self.assertNotIn(CANARY, repr(vars(Secret("a", "1", {"k": value}, None))))

    def test_compare_without_a_hash(self) -> None:
        self.assertEqual(Sensitive(CANARY), Sensitive(CANARY))
        self.assertNotEqual(Sensitive(CANARY), Sensitive(CANARY.encode()))
        self.assertNotEqual(Sensitive(CANARY), CANARY)
        self.assertEqual(copy.deepcopy(Sensitive(CANARY)), Sensitive(CANARY))
        with self.assertRaises(TypeError):
            hash(Sensitive(CANARY))

    def test_refuse_text_of_a_binary_value(self) -> None:
        with self.assertRaises(TypeError) as caught:
            Sensitive(b"\xff").reveal()
        self.assertNotIn("xff", str(caught.exception))


class Documents(unittest.TestCase):
    def refused(self, text: bytes) -> UnreachableError:
        with self.assertRaises(UnreachableError) as caught:
            read_secret(parse_document(Body(text), 200), "a/b")
        self.assertEqual(caught.exception.reason, "not_ours")
        return caught.exception

    def test_are_read_with_texts_bytes_and_a_lease(self) -> None:
        text = b"""{"path": "a/b", "version": "1", "data": {"k": "v", "b": {"base64": "/w=="}},
            "lease": {"id": "lea_1", "endsAt": "2026-01-01T00:00:00.500Z"}}"""
        secret = read_secret(parse_document(Body(text), 200), "a/b")
        self.assertEqual((secret["k"].reveal(), secret["b"].reveal_bytes()), ("v", b"\xff"))
        assert secret.lease is not None
        self.assertEqual(secret.lease.ends_at, 1767225600.5)
        self.assertEqual(list(secret), ["k", "b"])

    def test_are_refused_if_they_are_not_those_of_the_api(self) -> None:
        for text in (
            b"",
            b"null",
            b"[]",
            b"{}",
            b"\xff",
            b"\xef\xbb\xbf{}",
            b'{"path": "a/b", "version": "1", "data": {"k": "v"}',
            b'{"path": "a/b", "path": "a/b", "version": "1", "data": {"k": "v"}}',
            b'{"path": "a/b", "version": "1", "data": {"k": "v", "k": "w"}}',
            b'{"path": "a/b", "version": 1, "data": {"k": "v"}}',
            b'{"path": "a/b", "version": "1", "data": {"k": 7}}',
            b'{"path": "a/b", "version": "1", "data": {"k": null}}',
            b'{"path": "a/b", "version": "1", "data": {"k": {"base64": "?"}}}',
            b'{"path": "a/b", "version": "1", "data": {"k": "\\ud800"}}',
            b'{"path": "a/c", "version": "1", "data": {"k": "v"}}',
            b'{"path": "a/b", "version": "1", "data": {"k": "v"}, "x": NaN}',
            b'{"path": "a/b", "version": "1", "data": {"k": "v"}, "x": ' + b"9" * 5_000 + b"}",
            b'{"path": "a/b", "version": "1", "data": {"k": "v"}, "lease": {"id": "l", "endsAt": "soon"}}',
            b'{"a":' * 200_000,
            b"[" * 200_000,
        ):
            with self.subTest(text=text[:90]):
                self.refused(text)

    def test_do_not_show_values_in_a_traceback_with_local_variables(self) -> None:
        for text in (
            '{"path": "a/b", "version": "1", "data": {"k": "%s"}' % CANARY,
            '{"path": "a/b", "version": 7, "data": {"k": "%s"}}' % CANARY,
            '{"path": "a/b", "version": "1", "data": {"k": "%s", "j": 7}}' % CANARY,
            '{"path": "a/b", "version": "1", "data": {"k": "%s", "k": ""}}' % CANARY,
        ):
            shown = "".join(
                traceback.TracebackException.from_exception(self.raised(text), capture_locals=True).format()
            )
            self.assertNotIn(CANARY, shown)

    def raised(self, text: str) -> Exception:
        body = Body(text.encode())
        del text
        try:
            read_secret(parse_document(body, 200), "a/b")
        except UnreachableError as error:
            self.assertIsNone(error.__context__)
            return error
        raise AssertionError("not refused")


class Arguments(unittest.TestCase):
    def test_paths_have_segments_of_harmless_characters(self) -> None:
        for path in ("a", "own/db", "a/b.c/_+=@-"):
            self.assertEqual(checked_path(path), path)
        for path in (
            "",
            "/a",
            "a/",
            "a//b",
            "a/../b",
            ".",
            "a?b",
            "a#b",
            "a%2Fb",
            "a b",
            "a\r\nb",
            "ä",
            "a:b",
            "a/" * 16 + "a",
            "a" * 513,
        ):
            with self.subTest(path=path), self.assertRaises(InputError) as caught:
                checked_path(path)
            if len(path) > 3:
                self.assertNotIn(path, str(caught.exception))

    def test_a_single_text_is_no_list_of_paths(self) -> None:
        for paths in ("own/db", [], 7):
            with self.subTest(paths=paths), self.assertRaises(InputError):
                checked_paths(paths)
        self.assertEqual(checked_paths(["a", "b", "a"]), ["a", "b"])

    def test_versions_are_short_and_printable(self) -> None:
        self.assertEqual(checked_version("a b/c?&"), "a b/c?&")
        for version in ("", "a\n", "a" * 129):
            with self.subTest(version=version), self.assertRaises(InputError):
                checked_version(version)

    def test_addresses_have_scheme_host_and_port_only(self) -> None:
        self.assertEqual(parse_broker_url("https://broker.example", False), (True, "broker.example", 443))
        self.assertEqual(parse_broker_url("https://[::1]:8200/", False), (True, "::1", 8200))
        for url in ("http://127.0.0.1:8200", "http://localhost", "http://[::1]:8200"):
            self.assertFalse(parse_broker_url(url, False).is_tls)
        for url in (
            "",
            "broker:8200",
            "ftp://broker",
            "https://",
            "https://broker/api",
            "https://broker?x",
            "https://broker#x",
            "https://user:pass@broker",
            "https://broker:0",
            "https://broker:65536",
            "https://broker\n",
            "http://broker",
            "http://10.0.0.1",
            "http://127.0.0.1.example",
            "http://127.1",
            "http://localhost.example",
            "http://127.0.0.1@broker",
        ):
            with self.subTest(url=url), self.assertRaises(InputError) as caught:
                parse_broker_url(url, False)
            self.assertNotIn("pass@", str(caught.exception))
        self.assertFalse(parse_broker_url("http://broker", True).is_tls)


class Errors(unittest.TestCase):
    def test_show_no_tokens_and_no_control_characters(self) -> None:
        shown = plain_text("a\x1b[2J\nb\u202ec qms_0123456789abcdef eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x \ud800")
        self.assertEqual(shown, "a [2J b c [sensitive] [sensitive]  ")
        self.assertEqual(len(plain_text("a" * 5_000)), 2_000)

    def test_can_be_passed_to_another_process(self) -> None:
        for error in (ApiError("a: b", status=403, code="ERR_DENIED"), UnreachableError("x", reason="timeout")):
            again = pickle.loads(pickle.dumps(error))
            self.assertEqual((str(again), vars(again)), (str(error), vars(error)))
            self.assertIsInstance(again, QuaymasterError)


class Events(unittest.TestCase):
    STREAM = b'\xef\xbb\xbf:\r\n\r\nid: 1\nevent: ready\ndata: {}\n\nid: 2\revent: secret.changed\rdata: {"path":\rdata: "a/b"}\r\r:\n\nid: 3\nevent: later.kind\ndata: x\n\nid: 4\nevent: reset\ndata: {}\n\n'

    def test_are_the_same_at_every_boundary_of_pieces(self) -> None:
        for size in (1, 2, 3, 7, len(self.STREAM)):
            parser = EventParser()
            pieces = [self.STREAM[at : at + size] for at in range(0, len(self.STREAM), size)]
            events = [tuple(event) for piece in pieces for event in parser.push(piece)]
            self.assertEqual(events, [("1", "ready", ""), ("2", "secret.changed", "a/b"), ("4", "reset", "")])

    def test_are_bounded(self) -> None:
        for piece in (b"data: x\n", b"data\n", b"x" * 100):
            parser = EventParser()
            with self.assertRaises(UnreachableError) as caught:
                for _ in range(70_000):
                    parser.push(piece)
            self.assertEqual(caught.exception.reason, "too_large")

    def test_are_refused_with_invalid_data_or_position(self) -> None:
        for text in (b"id: 1\nevent: secret.changed\ndata: x\n\n", b"id: x\r\nevent: ready\ndata: {}\n\n"):
            with self.subTest(text=text), self.assertRaises(UnreachableError):
                EventParser().push(text)


if __name__ == "__main__":
    unittest.main()
