"""rspamd and SpamAssassin of this system, without network, for scripts/accuracy.

Each learns the messages of one half and scores those of the other; with its rules alone, it learns nothing. Scores and
rules are those that it comes with. Everything lies in a folder of the run, and listens on 127.0.0.1 alone.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class SpamAssassin:
    name = "SpamAssassin"

    def __init__(self, folder, learns):
        folder.mkdir(parents=True, exist_ok=True)
        self.workers = [self.start(folder, learns) for _ in range(os.cpu_count() if not learns else 1)]
        self.folder, self.learns = folder, learns

    @staticmethod
    def start(folder, learns):
        command = ["perl", HERE / "spamassassin.pl", folder, "1" if learns else "0"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, worker, line):
        worker.stdin.write(line + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        if not answer:
            raise RuntimeError("SpamAssassin has ended")
        return answer.split()

    def learn(self, messages):
        for path, is_spam in messages:
            self.ask(self.workers[0], f"learn {'spam' if is_spam else 'ham'} {path}")
        self.ask(self.workers[0], "sync")
        self.close()
        # Scoring only reads what was learnt, so it can be shared out.
        self.workers = [self.start(self.folder, True) for _ in range(os.cpu_count())]

    def scores(self, paths):
        def part(number):
            worker = self.workers[number]
            found = []
            for path in paths[number::len(self.workers)]:
                points, *rules = self.ask(worker, f"score {path}")
                found.append((path, float(points), rules[0].split(",") if rules else []))
            return found

        with concurrent.futures.ThreadPoolExecutor(len(self.workers)) as pool:
            return {path: (points, rules) for found in pool.map(part, range(len(self.workers)))
                    for path, points, rules in found}

    def close(self):
        for worker in self.workers:
            worker.stdin.close()
            worker.wait()


class Rspamd:
    name = "rspamd"

    # What asks the network, judges the client (there is none), or remembers one message for the next.
    OFF = ("hfilter "
           "rbl surbl fuzzy_check spf dkim dmarc arc asn url_redirector neural mx_check greylist ratelimit replies "
           "history_redis clickhouse elastic antivirus external_services metadata_exporter dkim_signing reputation "
           "known_senders").split()

    def __init__(self, folder, learns, root="/"):
        self.folder, self.learns = folder, learns
        self.port, self.control, redis = free_port(), free_port(), free_port()
        self.write_configuration(redis)
        self.processes = []
        self.run(["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""])
        self.run(self.command(pathlib.Path(root)), self.environment(pathlib.Path(root)))
        for _ in range(3000):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.control}/ping", timeout=5).read()
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5).read()
                return
            time.sleep(0.1)
        self.close()
        raise RuntimeError(f"rspamd does not start; see {folder}/log")

    def run(self, command, environment=None):
        with open(self.folder / "log", "ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    @staticmethod
    def environment(root):
        libraries = [root / "usr/lib/x86_64-linux-gnu", root / "usr/lib/rspamd"]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}

    def command(self, root):
        share = root / "usr/share/rspamd"
        places = dict(
            CONFDIR=root / "etc/rspamd", LOCAL_CONFDIR=self.folder, SHAREDIR=share, PLUGINSDIR=share / "plugins",
            RULESDIR=share / "rules", LUALIBDIR=share / "lualib", WWWDIR=share / "www", DBDIR=self.folder,
            RUNDIR=self.folder, LOGDIR=self.folder)
        return [root / "usr/bin/rspamd", "-f", "-i", "-c", root / "etc/rspamd/rspamd.conf"] + [
            f"--var={name}={place}" for name, place in places.items()]

    def write_configuration(self, redis):
        local, override = self.folder / "local.d", self.folder / "override.d"
        for place in (local, override):
            place.mkdir(parents=True, exist_ok=True)
        # A port without a name server: nothing is asked outside.
        (local / "options.inc").write_text(
            'filters = "chartable,regexp";\ndns { nameserver = ["127.0.0.1:1"]; timeout = 0.01s; retransmits = 0; }\n'
            "disable_monitoring = true;\ncheck_all_filters = true;\n")
        (local / "logging.inc").write_text('type = "console"; level = "error";\n')
        (local / "redis.conf").write_text(f'servers = "127.0.0.1:{redis}";\n')
        (local / "classifier-bayes.conf").write_text(
            f'backend = "redis"; servers = "127.0.0.1:{redis}"; autolearn = false;\n')
        (override / "worker-normal.inc").write_text(
            f'bind_socket = "127.0.0.1:{self.port}"; count = {os.cpu_count()}; task_timeout = 60s;\n')
        (override / "worker-controller.inc").write_text(
            f'bind_socket = "127.0.0.1:{self.control}"; password = "x"; enable_password = "x"; count = 1;\n')
        (override / "worker-proxy.inc").write_text("enabled = false;\n")
        (override / "worker-fuzzy.inc").write_text("enabled = false;\n")
        for module in self.OFF:
            (override / f"{module}.conf").write_text("enabled = false;\n")
        # The messages are old; that says nothing of them.
        (local / "groups.conf").write_text('symbols { "DATE_IN_PAST" { weight = 0.0; } }\n')
        (override / "phishing.conf").write_text("openphish_enabled = false;\nphishtank_enabled = false;\n")

    def post(self, port, path, message):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", data=pathlib.Path(message).read_bytes(), headers={"Password": "x"})
        try:
            return urllib.request.urlopen(request, timeout=120).read()
        except urllib.error.HTTPError as error:
            return error.read()

    def learn(self, messages):
        learnt = 0
        for path, is_spam in messages:
            answer = self.post(self.control, "/learnspam" if is_spam else "/learnham", path)
            # Of what is too short to learn from it says nothing.
            learnt += b'"success":true' in answer
        print(f"rspamd has learnt {learnt} of {len(messages)} messages", file=sys.stderr)

    def scores(self, paths):
        def score(path):
            answer = json.loads(self.post(self.port, "/checkv2", path))
            symbols = answer["symbols"]
            return path, answer["score"], [name for name in symbols if symbols[name]["score"]]

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return {path: (points, rules) for path, points, rules in pool.map(score, paths)}

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
