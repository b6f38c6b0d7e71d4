import Foundation
import MailTypes
import Testing

@testable import Sandbox

#if canImport(Glibc)
    import Glibc
#endif

/// An admin's programs: what they are told, what they may use, and that nothing of them is left.
@Suite(.serialized) struct ProgramTests {
    /// Scripts, a folder to run in, and something that is nobody's business; all of a user without rights.
    final class Scene {
        let root: String
        var work: String { root + "/work" }
        var options = ProgramOptions()

        init() throws {
            root = "/tmp/sluice-program-\(UUID().uuidString.prefix(13))"
            for folder in ["bin", "work", "secret"] {
                try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
            }
            try "secret".write(toFile: root + "/secret/key", atomically: false, encoding: .utf8)
            options.runner = [SandboxOptions.products + "/SandboxProbe", "nobody"]
            options.readable = [root + "/bin"]
            options.timeout = "20s"
            guard getuid() == 0, let nobody = getpwnam("nobody")?.pointee else { return }
            chown(work, nobody.pw_uid, nobody.pw_gid)
            chown(root + "/secret", nobody.pw_uid, nobody.pw_gid)
        }

        deinit { try? FileManager.default.removeItem(atPath: root) }

        func run(_ script: String, _ arguments: [String] = [], environment: [String] = ["PATH=/usr/bin:/bin"]) throws
            -> ProgramRun
        {
            let path = root + "/bin/program"
            try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: false, encoding: .utf8)
            chmod(path, 0o755)
            return ProgramLauncher(options).run(path, arguments, in: work, environment: environment)
        }

        func text(_ name: String) -> String? { try? String(contentsOfFile: "\(work)/\(name)", encoding: .utf8) }
    }

    @Test func `it is told its arguments as they are, and has no other variables`() throws {
        let scene = try Scene()
        let run = try scene.run(
            "printf '%s|' \"$@\" > told; env > variables; pwd > place; ls -l /proc/self/fd > files",
            ["a b", "$(touch x)", "; touch x"], environment: ["PATH=/usr/bin:/bin", "SLUICE_EVENT=delivery"])
        #expect(run.end == .exit(code: 0), "\(run.end) \(String(decoding: run.errors, as: UTF8.self))")
        #expect(scene.text("told") == "a b|$(touch x)|; touch x|")
        #expect(scene.text("x") == nil)
        let names = (scene.text("variables") ?? "").split(separator: "\n").map { String($0.prefix { $0 != "=" }) }
        // A shell sets the last ones itself.
        #expect(Set(names).subtracting(["PWD", "OLDPWD", "SHLVL", "_"]) == ["PATH", "SLUICE_EVENT"], "\(names)")
        #expect(scene.text("place") == scene.work + "\n")
        // The three of every program, and the folder that is listed.
        #expect((scene.text("files") ?? "").split(separator: "\n").filter { $0.contains("->") }.count <= 4)
    }

    @Test func `its exit code and the beginning of its complaint are kept`() throws {
        let scene = try Scene()
        let run = try scene.run(
            "echo wrong >&2; i=0; while [ $i -lt 3000 ]; do echo 123456789 >&2; i=$((i+1)); done; exit 3")
        #expect(run.end == .exit(code: 3) && run.end.word == "failed")
        #expect(run.errors.starts(with: Array("wrong\n".utf8)) && run.errors.count == 1024)
    }

    /// Whether a process is there; a dead one that nobody has collected is not.
    static func isAlive(_ process: String?) -> Bool {
        guard let number = process.flatMap({ pid_t($0.trimmingCharacters(in: .whitespacesAndNewlines)) }),
            let status = try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)
        else { return false }
        return status.split(separator: ")").last?.split(separator: " ").first != "Z"
    }

    @Test func `who takes too long is killed with all that he has started`() async throws {
        let scene = try Scene()
        scene.options.timeout = "1s"
        let run = try scene.run("sleep 600 & echo $! > child; trap '' TERM; while :; do :; done")
        #expect(run.end == .timeout)
        let child = scene.text("child")
        #expect(child != nil)
        #expect(await eventually { !Self.isAlive(child) })
    }

    @Test func `nothing goes on when it has ended, whatever group it wanted`() async throws {
        let scene = try Scene()
        let run = try scene.run("sleep 600 & echo $! > one; setsid sleep 600 & echo $! > two; sleep 0.2; exit 0")
        #expect(run.end == .exit(code: 0))
        for name in ["one", "two"] {
            let child = scene.text(name)
            #expect(child != nil)
            #expect(await eventually { !Self.isAlive(child) }, "\(name)")
        }
    }

    @Test func `who ends all programs ends what they have started`() async throws {
        let scene = try Scene()
        let path = scene.root + "/bin/program"
        let script = "#!/bin/sh\nsleep 600 & echo $! > child; mv child ready; sleep 600\n"
        try script.write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o755)
        let (launcher, work) = (ProgramLauncher(scene.options), scene.work)
        let run = Task.detached { launcher.run(path, [], in: work, environment: ["PATH=/usr/bin:/bin"]) }
        #expect(await eventually { scene.text("ready") != nil })
        launcher.endAll()
        #expect(await run.value.end == .signal(9))
        #expect(await eventually { !Self.isAlive(scene.text("ready")) })
        // What is begun too late is ended at once.
        let late = await Task.detached { launcher.run(path, [], in: work, environment: ["PATH=/usr/bin:/bin"]) }.value
        #expect(late.end == .signal(9))
    }

    @Test func `memory and files have their limits`() throws {
        let scene = try Scene()
        scene.options.memory = "64MB"
        scene.options.fileSize = "1MB"
        #expect(try !scene.run("dd if=/dev/zero of=/dev/null bs=256M count=1").end.isSuccess)
        #expect(try scene.run("dd if=/dev/zero of=/dev/null bs=1M count=1").end.isSuccess)
        #expect(try !scene.run("dd if=/dev/zero of=big bs=1M count=2").end.isSuccess)
        #expect((scene.text("big")?.utf8.count ?? 0) <= 1 << 20)
        #expect(try scene.run("ulimit -c > core").end.isSuccess)
        #expect(scene.text("core") == "0\n")
    }

    @Test func `what is nobody's business it neither reads nor writes`() throws {
        let scene = try Scene()
        let key = scene.root + "/secret/key"
        #expect(try !scene.run("cat \(key) > copy").end.isSuccess)
        #expect(try !scene.run("echo x > \(scene.root)/secret/new").end.isSuccess)
        #expect(try !scene.run("echo x > \(scene.root)/bin/new").end.isSuccess)
        #expect(try scene.run("cat /etc/passwd > copy && echo x > new && rm new").end.isSuccess)
        scene.options.readable.append(scene.root + "/secret")
        #expect(try scene.run("cat \(key) > copy").end.isSuccess)
        #expect(try !scene.run("echo x > \(scene.root)/secret/new").end.isSuccess)
        scene.options.writable = [scene.root + "/secret"]
        #expect(try scene.run("echo x > \(scene.root)/secret/new").end.isSuccess)
        scene.options = ProgramOptions()
        scene.options.runner = [SandboxOptions.products + "/SandboxProbe", "nobody"]
        scene.options.isIsolated = false
        #expect(try scene.run("cat \(key) > copy").end.isSuccess, "where that was asked for")
    }

    @Test func `it gets no new rights`() throws {
        let scene = try Scene()
        #expect(try scene.run("grep NoNewPrivs /proc/self/status > rights; id -u > user").end.isSuccess)
        #expect(scene.text("rights")?.hasSuffix("1\n") == true)
        #expect(scene.text("user") != "0\n")
    }

    @Test func `what cannot be started is told`() throws {
        let scene = try Scene()
        let run = ProgramLauncher(scene.options).run(scene.root + "/bin/none", [], in: scene.work, environment: [])
        guard case .failed(let reason) = run.end else {
            Issue.record("it was: \(run.end)")
            return
        }
        #expect(reason.contains("none: No such file"), "\(reason)")
        scene.options.runner = ["/nowhere/runner"]
        #expect(
            ProgramLauncher(scene.options).run("/bin/true", [], in: scene.work, environment: []).end.word
                == "not-started")
    }

    @Test(.enabled(if: getuid() == 0)) func `root runs none`() throws {
        let scene = try Scene()
        scene.options.runner = [SandboxOptions.products + "/SandboxProbe", "asis"]
        guard case .failed(let reason) = try scene.run("true").end else {
            Issue.record("root has run it")
            return
        }
        #expect(reason.contains("root runs no programs"))
    }
}
