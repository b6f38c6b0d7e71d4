#!/usr/bin/env python3
"""Labelled mail, in halves: prepare.py SUITE FOLDER thread|time

Takes the archives of SUITE apart, takes out of each message what tells its class by itself because the classes
came by different receivers, and puts it into FOLDER/{first,second}/{spam,ham}. Messages of one thread, and copies
that are nearly the same, stay together. By `thread` they are dealt to the halves by turns; by `time` the first
half is older than the second.
"""

import email.utils
import hashlib
import pathlib
import re
import sys
import tarfile

# What receivers and mailing lists write. The README of the suite says why.
RECEIVERS = re.compile(
    rb"(list-.*|mailing-list|x-original-to|delivered-to|return-path|authentication-results|arc-.*|received|received-spf"
    rb"|x-received|x-google-.*|x-gm-.*|envelope-to|delivery-date|x-original-date|x-envelope-.*|errors-to|x-beenthere"
    rb"|x-mailman-.*|x-mailfrom|x-message-id-hash|message-id-hash|archived-at|x-loop|x-egroups-.*|x-yahoo-.*"
    rb"|x-apparently-to|x-mailscanner.*|x-authentication-warning|x-mime-autoconverted|x-virus-.*|x-status|status"
    rb"|x-keywords|x-uid|x-url|x-originalarrivaltime|x-antiabuse|x-get-message-sender-via|x-authenticated-sender"
    rb"|x-source.*|x-ms-.*|x-microsoft-.*|x-forefront-.*|x-eop.*|x-sender-ip|x-sid-.*|x-message-.*|x-incoming.*"
    rb"|x-spam.*|precedence|sender|x-habeas-.*|x-amavis.*|x-mdaemon-.*|x-return-path|x-info2?|x-pstn-.*|x-library|x-precedence-ref)")


def fields(header):
    """The fields of a header, folding included."""
    result = []
    for line in header.split(b"\n"):
        if result and line[:1] in (b" ", b"\t"):
            result[-1] += b"\n" + line
        else:
            result.append(line)
    return result


def name(field):
    return field.split(b":", 1)[0].strip().lower()


def value(header, wanted):
    return next((field.split(b":", 1)[1].strip() for field in header if name(field) == wanted and b":" in field), b"")


class Mail:
    def __init__(self, source, kind, path, octets):
        octets = octets.replace(b"\r\n", b"\n")
        while octets.startswith(b"From "):
            octets = octets.split(b"\n", 1)[1]
        header, _, body = octets.partition(b"\n\n")
        header = fields(header)
        self.source, self.kind, self.name = source, kind, path
        self.time = self.arrival(header)
        self.threads = self.find_threads(header)
        self.copies = self.find_copies(body)
        kept = [field for field in header if not RECEIVERS.fullmatch(name(field))]
        self.octets = (b"\n".join(kept) + b"\n\n" + body).replace(b"\n", b"\r\n")

    @staticmethod
    def arrival(header):
        """When it came: by the receiver's clock, since senders lie."""
        for text in (value(header, b"received").rpartition(b";")[2], value(header, b"date")):
            try:
                when = email.utils.parsedate_to_datetime(text.decode("latin-1").strip())
                if 1995 < when.year < 2030:
                    return when.timestamp()
            except (ValueError, TypeError, IndexError):
                pass
        return 0.0

    @staticmethod
    def find_threads(header):
        subject = value(header, b"subject").lower()
        subject = re.sub(rb"\[[^]]*\]|^\s*((re|fwd?|aw|sv|antwort)(\[\d+\])?:\s*)+|[^a-z]+", b" ", subject)
        subject = re.sub(rb"\s*\b(re|fwd?) ", b" ", b" " + subject).strip()
        ids = re.findall(rb"<[^<>\s]+@[^<>\s]+>", value(header, b"message-id") + value(header, b"references")
                         + value(header, b"in-reply-to"))
        return ids + ([b"subject " + subject] if len(subject) > 6 else [])

    @staticmethod
    def find_copies(body):
        """Places of a sketch of the words: texts that have most of their words in common meet in one of them."""
        text = re.sub(rb"<[^>]{0,500}>|=\n|https?://\S+", b" ", body[:60000])
        words = re.findall(rb"[a-z\x80-\xff]{2,}", text.lower())
        shingles = {b" ".join(words[place:place + 3]) for place in range(len(words) - 2)}
        if len(shingles) < 8:
            return [b"text " + b" ".join(words)] if words else []
        lowest = [min(hashlib.blake2b(shingle, digest_size=8, salt=bytes([lot] * 8)).digest() for shingle in shingles)
                  for lot in range(12)]
        return [bytes([place]) + b"".join(lowest[place:place + 3]) for place in range(0, 12, 3)]


def groups(mails):
    """The messages, those together that must not be divided."""
    leader = list(range(len(mails)))

    def find(place):
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    seen = {}
    for place, mail in enumerate(mails):
        for key in mail.threads + mail.copies:
            leader[find(place)] = find(seen.setdefault(key, place))
    result = {}
    for place, mail in enumerate(mails):
        result.setdefault(find(place), []).append(mail)
    return list(result.values())


def halves(mails, split):
    """The groups in two halves of the same size."""
    found = groups(mails)
    for group in found:
        group.sort(key=lambda mail: mail.time)
    found.sort(key=lambda group: group[0].time)
    first, second = [], []
    for group in found:
        is_first = len(first) <= len(second) if split == "thread" else len(first) + len(group) / 2 <= len(mails) / 2
        (first if is_first else second).extend(group)
    return first, second


def read(suite):
    for archive in sorted(suite.glob("*.tar.xz")):
        with tarfile.open(archive) as tar:
            for member in sorted(tar, key=lambda member: member.name):
                parts = member.name.strip("./").split("/")
                if member.isfile() and len(parts) == 3 and parts[1] in ("spam", "ham"):
                    yield Mail(parts[0], parts[1], parts[2], tar.extractfile(member).read())


def main():
    suite, folder, split = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    classes = {}
    for mail in read(suite):
        classes.setdefault((mail.source, mail.kind), []).append(mail)
    for (source, kind), mails in sorted(classes.items()):
        first, second = halves(mails, split)
        print(f"{source} {kind}: {len(first)} + {len(second)}")
        for half, part in (("first", first), ("second", second)):
            target = folder / half / kind
            target.mkdir(parents=True, exist_ok=True)
            for mail in part:
                (target / mail.name).write_bytes(mail.octets)


if __name__ == "__main__":
    main()
