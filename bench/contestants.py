"""Postfix and Sluice, set up alike on loopback ports of their own, for the benchmarks.

Both take mail for discard.test (queued durably, then thrown away), local.test (into a Maildir) and
relay.test (to a sink), from 127.0.0.1 without a password, and write what they take to stable storage
before they answer 250.
"""
import contextlib
import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SINK_PORT = 13125


def wait_for_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f'{process.args[0]} ended with {process.returncode} before it listened on {port}')
        try:
            with socket.create_connection(('127.0.0.1', port), 0.5) as s:
                if s.recv(4):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f'nothing answers on port {port} after {seconds} s')


class Contestant:
    def __init__(self, root, slow_sync_library=None):
        # A folder of its own for each start, deleted with all others in the end: ext4 goes around inodes that were
        # freed in the last seconds one by one, and whoever creates files next would pay for it.
        self.root = Path(tempfile.mkdtemp(prefix=f'{self.name}-', dir=root))
        os.chmod(self.root, 0o755)
        self.library = slow_sync_library
        self.process = None

    def environment(self):
        env = dict(os.environ)
        if self.library:
            env['LD_PRELOAD'] = str(self.library)
        return env

    def start(self):
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', self.port), 1):
            # Postfix shares its port with another one (SO_REUSEPORT), and each gets a part of the mail.
            raise RuntimeError(f'something listens on port {self.port} already: end it first')
        self.prepare()
        log = open(self.root / 'output.log', 'wb')
        self.process = subprocess.Popen(
            self.command(), env=self.environment(), stdout=log, stderr=log, start_new_session=True)
        wait_for_port(self.port, self.process)

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def pids(self):
        """The process and all its descendants."""
        return self.family(self.process.pid)

    @staticmethod
    def family(pid):
        children = {}
        for entry in Path('/proc').iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / 'stat').read_text().rsplit(')', 1)[1].split()
                    children.setdefault(int(fields[1]), []).append(int(entry.name))
                except OSError:
                    pass
        found, todo = [], [pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children.get(pid, [])
        return found

    def memory(self):
        """Proportional set size of all processes, in KiB."""
        total = 0
        for pid in self.pids():
            try:
                for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
                    if line.startswith('Pss:'):
                        total += int(line.split()[1])
            except OSError:
                pass
        return total

    def cpu_seconds(self):
        """Of the processes alive, and of children that were waited for."""
        ticks = 0
        for pid in self.pids():
            try:
                fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
                ticks += sum(int(f) for f in fields[11:15])
            except OSError:
                pass
        return ticks / os.sysconf('SC_CLK_TCK')


class Postfix(Contestant):
    name, port = 'postfix', 13025

    MAIN = '''compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/log/mail.log
maillog_file_prefixes = {root}
import_environment = MAIL_CONFIG LD_PRELOAD SLOWSYNC_US PATH
export_environment = MAIL_CONFIG LD_PRELOAD SLOWSYNC_US PATH
myhostname = postfix.local.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
smtputf8_enable = no
message_size_limit = 52428800
mailbox_size_limit = 0
virtual_mailbox_limit = 0
transport_maps = inline:{{ discard.test=discard:, relay.test=smtp:[127.0.0.1]:{sink} }}
relay_domains = discard.test, relay.test
virtual_mailbox_domains = local.test
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = static:user/Maildir/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtpd_recipient_restrictions = permit_mynetworks, reject
'''
    SERVICES = '''127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
'''

    def prepare(self):
        user = pwd.getpwnam('postfix')
        for folder in ('etc', 'spool', 'data', 'log', 'mail'):
            (self.root / folder).mkdir()
        os.chmod(self.root.parent, 0o755)
        for folder in ('data', 'mail'):
            os.chown(self.root / folder, user.pw_uid, user.pw_gid)
        values = dict(root=self.root, sink=SINK_PORT, uid=user.pw_uid, gid=user.pw_gid, port=self.port)
        (self.root / 'etc/main.cf').write_text(self.MAIN.format(**values))
        (self.root / 'etc/master.cf').write_text(self.SERVICES.format(**values))
        subprocess.run(['postfix', '-c', self.root / 'etc', 'check'], check=True, capture_output=True)

    def environment(self):
        return dict(super().environment(), MAIL_CONFIG=str(self.root / 'etc'))

    def command(self):
        return ['/usr/lib/postfix/sbin/master', '-c', str(self.root / 'etc'), '-d']

    def queue_length(self):
        return sum(len(files) for d in ('incoming', 'active', 'deferred') for _, _, files in os.walk(self.root / 'spool' / d))

    def maildir(self):
        return self.root / 'mail/user/Maildir'

    def accepted(self):
        """Messages that the queue manager has got since the start."""
        log = self.root / 'log/mail.log'
        return log.read_bytes().count(b'(queue active)') if log.exists() else 0


class Sluice(Contestant):
    name, port = 'sluice', 13725
    binary = HERE.parent / 'dist/sluice'

    CONFIGURATION = '''hostname = "sluice.local.test"
data = "{root}/data"
filters = "{root}/filters.d"

[[listener]]
protocol = "smtp"
name = "bench"
bind = ["127.0.0.1:{port}"]
tls = "none"
max_connections = 4000
max_connections_per_address = 4000

[limits]
max_connections_per_address = 4000

[metrics]
bind = ["127.0.0.1:{metrics}"]
'''
    FILTERS = {
        '20-transport.toml': 'stage = "transport"\n[transport]\n"discard.test" = "discard"\n'
                             '"relay.test" = "smtp:[127.0.0.1]:{sink}"\n',
        '30-relay.toml': 'stage = "relay"\n[relay]\nnetworks = ["127.0.0.0/8"]\n',
        '40-recipients.toml': 'stage = "recipients"\n',
        '90-received.toml': 'stage = "received"\n',
    }

    def prepare(self):
        values = dict(root=self.root, port=self.port, metrics=self.port + 1, sink=SINK_PORT)
        (self.root / 'filters.d').mkdir()
        (self.root / 'sluice.toml').write_text(self.CONFIGURATION.format(**values))
        for name, text in self.FILTERS.items():
            (self.root / 'filters.d' / name).write_text(text.format(**values))
        self.run('check')
        self.run('postoffice', 'add', 'bench')
        self.run('domain', 'add', 'local.test', '--postoffice', 'bench')
        self.run('mailbox', 'add', 'user@local.test', '--password-stdin', input=b'a password of the bench\n')

    def run(self, *words, **options):
        done = subprocess.run(
            [str(self.binary), *words, '--config', str(self.root / 'sluice.toml')], capture_output=True, **options)
        if done.returncode:
            raise RuntimeError(f'sluice {" ".join(words)}: {done.stderr.decode()}')
        return done.stdout.decode()

    def command(self):
        return [str(self.binary), 'serve', '--config', str(self.root / 'sluice.toml')]

    def queue_length(self):
        import json
        return len(json.loads(self.run('queue', 'list', '--json')))

    def maildir(self):
        return self.root / 'data/mailboxes/local.test/user/Maildir'

    def accepted(self):
        """Messages that were taken since the start."""
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port + 1}/metrics', timeout=10) as page:
            found = re.search(rb'^sluice_smtp_transactions_total\{[^}]*result="accepted"[^}]*\} (\d+)', page.read(), re.M)
        return int(found[1]) if found else 0
