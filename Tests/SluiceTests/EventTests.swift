import Foundation
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Programs that are run on messages, through a server.
@Suite struct EventTests {
    /// A place whose server becomes somebody without rights, since root runs no programs; with a program each.
    static func place(_ programs: [String: String]) async throws -> Place {
        let place = try await Place()
        let root = place.folder.path
        for (name, script) in programs {
            try place.folder.write("#!/bin/sh\n\(script)\n", to: "events.d/\(name)")
            chmod("\(root)/events.d/\(name)", 0o755)
        }
        chmod("\(root)/events.d", 0o755)
        try FileManager.default.createDirectory(atPath: root + "/seen", withIntermediateDirectories: true)
        guard getuid() == 0 else { return place }
        let nobody = try #require(getpwnam("nobody")).pointee
        chmod(root, 0o755)
        for folder in ["data", "seen"] {
            for file in try FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)") + ["."] {
                #expect(chown("\(root)/\(folder)/\(file)", nobody.pw_uid, nobody.pw_gid) == 0)
            }
        }
        return place
    }

    static func setup(_ place: Place, _ more: String = "") -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        let user = getuid() == 0 ? "[run]\nuser = \"nobody\"\n" : ""
        setup.more = "\(user)[events]\nwritable = [\"\(place.folder.path)/seen\"]\n\(more)"
        return setup
    }

    static func run(_ place: Place, _ setup: LiveServer.Setup, _ body: (LiveServer) async throws -> Void) async throws {
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(setup, in: place)
            do { try await body(server) } catch {
                Issue.record("\(error); the log ends:\n\(server.log.suffix(3000))")
            }
            await server.stop()
        }
    }

    static func mail(_ more: String = "") -> String {
        "From: a@out.test\r\nTo: anna@acme.test\r\nSubject: x\r\n\(more)\r\nbody\r\n"
    }

    @Test func `a mailbox's program is told the file and kind of what has come, and not of bulk`() async throws {
        let place = try await Self.place(["note": "true"])
        // Where it notes what it saw is in the program: it has no variable for it.
        let seen = place.folder.path + "/seen"
        try place.folder.write(
            "#!/bin/sh\ncat \"$1\" ./*.envelope > \(seen)/$SLUICE_ID && echo \"$1 $2\" >> \(seen)/calls\n",
            to: "events.d/note")
        try await Self.run(place, Self.setup(place)) { server in
            for (words, reason) in [
                (["--program", "none"], "none"), (["--program", "../note"], "not the name of a program"),
                (["--program", "note", "--off"], "not both"),
            ] {
                let ran = try await server.sluice(["mailbox", "event", "anna@acme.test"] + words)
                #expect(ran.code != 0 && ran.errors.contains(reason), "\(ran)")
            }
            let set = try await server.sluice("mailbox", "event", "anna@acme.test", "--program", "note")
            #expect(set.code == 0, "\(set)")
            let wire = try await server.smtp()
            try await wire.greet()
            let reply = try await wire.deliver(Self.mail(), from: "a@out.test", to: ["anna@acme.test"])
            let id = try AutoreplyTests.id(in: reply)
            #expect(
                await eventually { (try? server.folder.text("seen/calls")) == "\(id)-0.eml SMTP\n" },
                "\(server.log.suffix(2000))")
            let text = try server.folder.text("seen/\(id)-0")
            #expect(text.contains("Subject: x\r\n") && text.contains("from: <a@out.test>\n"))
            #expect(text.contains("event: delivery\n") && text.contains("mailbox: anna@acme.test\n"))
            let isTraced = try await eventually {
                try await server.sluice("trace", id).output.contains("delivery event: note: exit code 0")
            }
            let shown = try await server.sluice("trace", id)
            #expect(isTraced, "\(shown)")
            // Bulk, and somebody else's.
            let bulk = try await wire.deliver(
                Self.mail("List-Id: <n.list.test>\r\n"), from: "a@out.test", to: ["anna@acme.test"])
            let bulkID = try AutoreplyTests.id(in: bulk)
            let isTold = try await eventually {
                try await server.sluice("trace", bulkID).output.contains("note not run: bulk mail")
            }
            #expect(isTold)
            #expect(try await wire.deliver(Self.mail(), from: "a@out.test", to: ["bert@acme.test"]).hasPrefix("250"))
            #expect(try await server.queueIsEmpty())
            #expect(try server.folder.text("seen/calls").split(separator: "\n").count == 1)
            #expect(server.mail(of: "anna@acme.test").count == 2 && server.mail(of: "bert@acme.test").count == 1)
            let left = try FileManager.default.contentsOfDirectory(atPath: server.data + "/tmp/events")
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test func `a program that fails, hangs or reaches for more costs no mail`() async throws {
        let place = try await Self.place([
            "fail": "echo 'no luck' >&2; exit 7", "hang": "sleep 600",
            "reach":
                "cat ../../../directory.sqlite ../../../mailboxes/acme.test/carl/Maildir/new/* > got; test -s got",
        ])
        try await Self.run(place, Self.setup(place, "timeout = \"1s\"\n")) { server in
            for (name, program) in [("anna", "fail"), ("bert", "hang"), ("carl", "reach")] {
                let set = try await server.sluice("mailbox", "event", "\(name)@acme.test", "--program", program)
                #expect(set.code == 0, "\(set)")
            }
            let wire = try await server.smtp()
            try await wire.greet()
            let all = ["anna@acme.test", "bert@acme.test", "carl@acme.test"]
            #expect(try await wire.deliver(Self.mail(), from: "a@out.test", to: all).hasPrefix("250"))
            for address in all { #expect(try await server.mail(of: address, count: 1).count == 1) }
            #expect(try await server.queueIsEmpty())
            #expect(server.log.contains("no luck") && server.log.contains("exit code 7"))
            #expect(server.log.contains("it took too long"))
            #expect(
                server.log.split(separator: "\n").contains {
                    $0.contains("program=reach") && $0.contains("exit code 1")
                }, "it has got something")
        }
    }

    @Test func `the pickup event sees all that is taken, and bulk where that is asked for`() async throws {
        for isAsked in [false, true] {
            let place = try await Self.place(["see": "true"])
            let seen = place.folder.path + "/seen"
            try place.folder.write("#!/bin/sh\ncat ./*.envelope >> \(seen)/all\n", to: "events.d/see")
            try await Self.run(place, Self.setup(place, "pickup = \"see\"\npickup_bulk = \(isAsked)\n")) { server in
                let wire = try await server.smtp()
                try await wire.greet()
                #expect(
                    try await wire.deliver(Self.mail(), from: "a@out.test", to: ["anna@acme.test", "bert@acme.test"])
                        .hasPrefix("250"))
                let list = Self.mail("Precedence: bulk\r\nList-Id: <n.list.test>\r\n")
                #expect(try await wire.deliver(list, from: "b@out.test", to: ["carl@acme.test"]).hasPrefix("250"))
                func text() -> String { (try? server.folder.text("seen/all")) ?? "" }
                #expect(
                    await eventually {
                        text().contains("from: <a@out.test>\nto: <anna@acme.test>\nto: <bert@acme.test>\n")
                    })
                if isAsked { #expect(await eventually { text().contains("kind: LS\n") }) }
                #expect(try await server.queueIsEmpty())
                #expect(text().contains("from: <b@out.test>") == isAsked)
            }
        }
    }

    @Test func `a pickup program that cannot be run is told before the first message`() async throws {
        let place = try await Self.place(["see": "true"])
        func check(_ name: String) async throws -> Ran {
            try place.folder.write(
                place.folder.text("sluice.toml") + "\n[events]\npickup = \"\(name)\"\n", to: "other.toml")
            return try await Programs.run(
                Programs.sluice, ["check", "--config", place.folder.path + "/other.toml"])
        }
        let line = try place.folder.text("sluice.toml").components(separatedBy: "\n").count + 2
        try place.folder.write("#!/bin/sh\n", to: "events.d/dull")
        for (name, reason) in [("sea", "sea: No such file or directory"), ("dull", "dull is not executable")] {
            let ran = try await check(name)
            #expect(ran.code == 0 && ran.errors.contains("other.toml:\(line):"), "\(ran)")
            #expect(ran.errors.contains("the program of the pickup event cannot be run") && ran.errors.contains(reason))
        }
        #expect(try await check("see").errors.isEmpty)
        // And by a server that starts.
        try await Self.run(place, Self.setup(place, "pickup = \"sea\"\n")) { server in
            #expect(server.log.contains("the program of the pickup event cannot be run"), "\(server.log)")
            let status = try await server.sluice("status")
            #expect(status.output.contains("the pickup event cannot be run"), "\(status)")
        }
    }
}
