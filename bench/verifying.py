"""What it costs to verify a signed message: Sluice's dkim-verify beside Postfix with OpenDKIM's milter.

Both get the same message, signed by a third implementation (dkimpy), both ask the same name server for the key
over UDP, and both write an Authentication-Results field. What a message costs is the processor time of all
processes: the servers, OpenDKIM, Sluice's workers.
"""
import base64
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from contestants import Postfix, Sluice

# OpenDKIM can be told an address, and no port.
NAME_SERVER = '127.0.0.53'
DOMAIN, SELECTOR = 'signer.bench', 'b1'


class NameServer:
    """Answers for the one key, and that there is nothing else."""

    def __init__(self, record):
        self.record = record.encode()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((NAME_SERVER, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        labels, place = [], 12
        while query[place]:
            labels.append(query[place + 1:place + 1 + query[place]].decode('latin-1'))
            place += query[place] + 1
        place += 5
        kind = struct.unpack('!H', query[place - 4:place - 2])[0]
        is_key = '.'.join(labels).lower() == f'{SELECTOR}._domainkey.{DOMAIN}' and kind == 16
        # Authoritative, recursion available; NXDOMAIN for all else.
        head = query[:2] + struct.pack('!HHHHH', 0x8580 if is_key else 0x8583, 1, int(is_key), 0, 0)
        if not is_key:
            return head + query[12:place]
        parts = [self.record[i:i + 255] for i in range(0, len(self.record), 255)]
        data = b''.join(bytes([len(part)]) + part for part in parts)
        return head + query[12:place] + b'\xc0\x0c' + struct.pack('!HHIH', 16, 1, 3600, len(data)) + data

    def close(self):
        self.socket.close()


def make_key(root):
    """A 2048-bit key, and its record."""
    key = Path(root) / 'signer.pem'
    subprocess.run(['openssl', 'genrsa', '-traditional', '-out', key, '2048'], check=True, capture_output=True)
    public = subprocess.run(
        ['openssl', 'rsa', '-in', key, '-pubout', '-outform', 'DER'], check=True, capture_output=True).stdout
    return key.read_bytes(), f'v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}'


def signed_message(key):
    """Of about 10 KiB, as a newsletter or a shop sends it: relaxed/relaxed, a dozen fields signed."""
    import dkim
    line = 'Thank you for your order; it has left our house today, and should be with you by the end of the week.\r\n'
    text = (
        f'From: "A shop" <orders@{DOMAIN}>\r\nTo: "A customer" <user@local.test>\r\n'
        'Subject: =?utf-8?q?Your_order_is_on_its_way?=\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n'
        f'Message-ID: <20261121120000.1@{DOMAIN}>\r\nReply-To: help@{DOMAIN}\r\nMIME-Version: 1.0\r\n'
        'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n'
        f'List-Unsubscribe: <mailto:leave@{DOMAIN}>\r\nX-Mailer: shop 1.0\r\n\r\n' + line * 95).encode()
    field = dkim.sign(
        text, SELECTOR.encode(), DOMAIN.encode(), key, canonicalize=(b'relaxed', b'relaxed'),
        include_headers=[b'from', b'to', b'subject', b'date', b'message-id', b'reply-to', b'mime-version',
                         b'content-type', b'content-transfer-encoding', b'list-unsubscribe'])
    # smtp-source ends lines by itself.
    return (field + text).replace(b'\r\n', b'\n')


class Verifying(Sluice):
    """Sluice with dkim-verify in worker processes, and the field that tells the result."""

    isolation = 'process'
    CONFIGURATION = Sluice.CONFIGURATION + f'\n[dns]\nservers = ["{NAME_SERVER}:53"]\n'
    FILTERS = {
        **Sluice.FILTERS,
        '50-dkim-verify.toml': 'stage = "dkim-verify"\n',
        '60-results.toml': 'stage = "results"\n',
    }

    def prepare(self):
        self.CONFIGURATION = type(self).CONFIGURATION + f'\n[sandbox]\nisolation = "{self.isolation}"\n'
        super().prepare()


class VerifyingWithoutIsolation(Verifying):
    isolation = 'none'


class PostfixWithOpenDKIM(Postfix):
    """Postfix with OpenDKIM as its milter, verifying alone."""

    MAIN = Postfix.MAIN + '''smtpd_milters = unix:{root}/opendkim.sock
milter_default_action = tempfail
'''
    OPENDKIM = '''Mode v
Socket local:{root}/opendkim.sock
UMask 000
Nameservers {name_server}
Syslog no
AlwaysAddARHeader yes
# Otherwise what comes from this machine is not looked at.
InternalHosts 192.0.2.1
AuthservID postfix.local.test
'''

    def __init__(self, root, slow_sync_library=None):
        super().__init__(root, slow_sync_library)
        self.milter = None

    def start(self):
        configuration = self.root / 'opendkim.conf'
        configuration.write_text(self.OPENDKIM.format(root=self.root, name_server=NAME_SERVER))
        self.milter = subprocess.Popen(['opendkim', '-f', '-x', configuration], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not (self.root / 'opendkim.sock').exists():
            if self.milter.poll() is not None or time.monotonic() > end:
                raise RuntimeError('opendkim has not started')
            time.sleep(0.05)
        super().start()

    def pids(self):
        return super().pids() + [self.milter.pid]

    def stop(self):
        super().stop()
        if self.milter:
            self.milter.terminate()
            self.milter.wait(20)


def processor_time(contestant, message, count):
    """Microseconds of all processes for each message."""
    def send(number, recipient):
        subprocess.run(
            ['smtp-source', '-s', '4', '-m', str(number), '-F', message, '-f', f'orders@{DOMAIN}', '-t', recipient,
             '-M', 'client.bench.test', f'127.0.0.1:{contestant.port}'], capture_output=True, timeout=300, check=True)
    send(40, 'x@discard.test')
    time.sleep(1)
    cpu, accepted = contestant.cpu_seconds(), contestant.accepted()
    send(count, 'x@discard.test')
    time.sleep(2)
    return (contestant.cpu_seconds() - cpu) / (contestant.accepted() - accepted) * 1e6


def finds_it_valid(contestant, message):
    """Whether the server tells in the message that the signature is valid."""
    subprocess.run(
        ['smtp-source', '-m', '1', '-F', message, '-f', f'orders@{DOMAIN}', '-t', 'user@local.test',
         f'127.0.0.1:{contestant.port}'], capture_output=True, timeout=60, check=True)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for file in contestant.maildir().glob('new/*'):
            header = file.read_bytes().replace(b'\r\n', b'\n').split(b'\n\n')[0].replace(b'\n\t', b' ').replace(b'\n ', b' ')
            found = [line for line in header.split(b'\n') if line.lower().startswith(b'authentication-results:')]
            return b'dkim=pass' in b' '.join(found)
        time.sleep(0.1)
    return False
