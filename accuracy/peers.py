"""rspamd and SpamAssassin of this system, without network, for accuracy/run.

Each learns the messages of one half and scores those of the other; with its rules alone, it learns nothing. Scores and
rules are those that it comes with. Everything lies in a folder of the run, and listens on 127.0.0.1 alone.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
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
    # Fewer lessons of a class, and its Bayes says nothing (bayes_min_spam_num, bayes_min_ham_num).
    FEWEST = 200

    def __init__(self, folder, learns):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.learns, self.workers = folder, learns, []
        self.start(["learn"] if learns else ["rules"] * os.cpu_count(), [folder] * os.cpu_count())

    def start(self, tasks, folders):
        """One process for each task."""
        for task, folder in zip(tasks, folders):
            command = ["perl", HERE / "spamassassin.pl", folder, task]
            self.workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

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
        spam, ham = map(int, self.ask(self.workers[0], "sync"))
        print(f"SpamAssassin has learnt {spam} spam and {ham} ham of {len(messages)} messages", file=sys.stderr)
        if min(spam, ham) < self.FEWEST:
            raise RuntimeError("SpamAssassin has learnt too little for its Bayes")
        self.close()
        copies = [self.folder / f"copy{number}" for number in range(os.cpu_count())]
        for copy in copies:
            copy.mkdir()
            for file in self.folder.glob("bayes_*"):
                shutil.copy(file, copy)
        self.start(["score"] * len(copies), copies)

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

    @staticmethod
    def has_bayes(rules):
        return any(rule.startswith("BAYES_") for rule in rules)

    def close(self):
        for worker in self.workers:
            worker.stdin.close()
            worker.wait()
        self.workers = []


class Rspamd:
    name = "rspamd"
    # Fewer lessons of a class, and its Bayes says nothing (min_learns).
    FEWEST = 200

    # What asks the network, judges the client (there is none), or remembers one message for the next.
    OFF = ("hfilter "
           "rbl surbl fuzzy_check spf dkim dmarc arc asn url_redirector neural mx_check greylist ratelimit replies "
           "history_redis clickhouse elastic antivirus external_services metadata_exporter dkim_signing reputation "
           "known_senders").split()

    def __init__(self, folder, learns, program):
        """`program` is what scripts/rspamd prints: it lies in the folder into which rspamd was unpacked."""
        self.folder, self.learns = folder, learns
        self.port, self.control, redis = free_port(), free_port(), free_port()
        self.write_configuration(redis)
        self.processes = []
        self.run(["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""])
        self.run(self.command(pathlib.Path(program)))
        for _ in range(3000):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.control}/ping", timeout=5).read()
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5).read()
                return
            time.sleep(0.1)
        self.close()
        raise RuntimeError(f"rspamd does not start; see {folder}/log")

    def run(self, command):
        with open(self.folder / "log", "ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def command(self, program):
        root = program.parent
        share = root / "usr/share/rspamd"
        places = dict(
            CONFDIR=root / "etc/rspamd", LOCAL_CONFDIR=self.folder, SHAREDIR=share, PLUGINSDIR=share / "plugins",
            RULESDIR=share / "rules", LUALIBDIR=share / "lualib", WWWDIR=share / "www", DBDIR=self.folder,
            RUNDIR=self.folder, LOGDIR=self.folder)
        return [program, "-f", "-i", "-c", root / "etc/rspamd/rspamd.conf"] + [
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

    def post(self, port, path, message, **headers):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", data=pathlib.Path(message).read_bytes(),
            headers={"Password": "x", **headers})
        try:
            return urllib.request.urlopen(request, timeout=120).read()
        except urllib.error.HTTPError as error:
            return error.read()

    def learn(self, messages):
        def learn(message):
            path, is_spam = message
            # As rspamc asks it: of "bulk" it learns also what it would have called by its class already.
            answer = self.post(
                self.control, "/learnspam" if is_spam else "/learnham", path, **{"Learn-Type": "bulk"})
            # Of what is too short to learn from it says nothing.
            return is_spam, b'"success":true' in answer

        learnt = {True: 0, False: 0}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for is_spam, is_learnt in pool.map(learn, messages):
                learnt[is_spam] += is_learnt
        print(f"rspamd has learnt {learnt[True]} spam and {learnt[False]} ham of {len(messages)} messages",
              file=sys.stderr)
        if min(learnt.values()) < self.FEWEST:
            raise RuntimeError("rspamd has learnt too little for its Bayes")

    @staticmethod
    def has_bayes(rules):
        return "BAYES_SPAM" in rules or "BAYES_HAM" in rules

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
