import Foundation
import Testing

/// Footers on the running server, as an operator and a user see them.
@Suite struct FooterServingTests {
    static let message =
        "From: anna@acme.test\r\nTo: all\r\nSubject: a\r\nDate: Sat, 21 Nov 2026 03:00:00 +0000\r\n"
        + "Message-ID: <a@acme.test>\r\n\r\nHello.\r\n"

    @Test func `who is elsewhere reads the footer, who is here does not, and nobody sends twice`() async throws {
        let sink = try await Sink.start()
        var setup = LiveServer.Setup()
        setup.filters["20-transport.toml"] = .transport(["far.test": "smtp:[127.0.0.1]:\(sink.port)"])
        try await LiveServer.run(setup) { server in
            let none = try await server.sluice("footer", "show")
            #expect(none.code == 0)
            let own = try await server.sluice("footer", "set", "ACME", "--text", "Footer of the post office")
            #expect(own.code == 0 && own.output.hasPrefix("Set the footer of acme (audit "), "\(own)")
            let all = try await server.sluice(
                "footer", "set", "--global", "--text-file", "-", input: "Grüße von allen\n")
            #expect(all.code == 0 && all.output.hasPrefix("Set the footer of global (audit "), "\(all)")
            let wire = try await server.submission()
            let reply = try await wire.deliver(
                Self.message, from: "anna@acme.test", to: ["bert@acme.test", "u@far.test"])
            #expect(reply.hasPrefix("250"), "\(reply)")
            let sent = try await sink.messages(count: 1)[0]
            #expect(
                sent.text.contains("Footer of the post office\r\n\r\nGr=C3=BC=C3=9Fe von allen\r\n"), "\(sent.text)")
            #expect(sent.text.contains("Content-Type: text/plain; charset=utf-8\r\n"), "\(sent.text)")
            let kept = try await server.mail(of: "bert@acme.test", count: 1)[0]
            #expect(kept.contains("Hello.") && !kept.contains("Footer") && !kept.contains("Content-Type"), "\(kept)")
            let gone = try await server.sluice("footer", "reset", "acme")
            #expect(gone.code == 0 && gone.output == "Took the footer of acme away.\n", "\(gone)")
            #expect(try await wire.deliver(Self.message, from: "anna@acme.test", to: ["u@far.test"]).hasPrefix("250"))
            let next = try await sink.messages(count: 2)[1]
            #expect(!next.text.contains("Footer") && next.text.contains("von allen"), "\(next.text)")
            let log = try await server.sluice("audit", "--json")
            #expect(log.output.contains("\"footer.set\"") && log.output.contains("\"footer.reset\""))
        }
        await sink.stop()
    }

    @Test func `a footer is shown, and what cannot be one is told`() async throws {
        let place = try await Place()
        func run(_ words: String...) async throws -> Ran {
            try await Programs.run(
                Programs.sluice, ["footer"] + words + ["--config", place.folder.path + "/sluice.toml"])
        }
        try place.folder.write("<p>Acme <b>Ltd</b></p>\n", to: "good.html")
        try place.folder.write("<html><body>Acme</body></html>\n", to: "page.html")
        #expect(try await run("set", "acme", "--html-file", place.folder.path + "/good.html").code == 0)
        let shown = try await run("show", "acme")
        #expect(shown.output.contains("html:\n    <p>Acme <b>Ltd</b></p>\nSet by "), "\(shown)")
        let json = try await run("show", "--json")
        #expect(json.output.contains("\"postOffice\" : \"acme\""), "\(json)")
        let page = try await run("set", "acme", "--html-file", place.folder.path + "/page.html")
        #expect(page.code == 1 && page.errors.contains("The html form has <html>: "), "\(page)")
        let empty = try await run("set", "acme", "--text", "***")
        #expect(empty.code == 1 && empty.errors.contains("The text form has no word in it."), "\(empty)")
        let odd = try await run("set", "acmee", "--text", "Hello")
        #expect(odd.code == 1 && odd.errors.contains("did you mean acme?"), "\(odd)")
        for words in [["set", "--text", "a"], ["set", "acme", "--global", "--text", "a"]] {
            let ran = try await Programs.run(
                Programs.sluice, ["footer"] + words + ["--config", place.folder.path + "/sluice.toml"])
            #expect(ran.code == 2, "\(ran)")
        }
        #expect(try await run("set", "acme").errors.contains("Say at least one of --text, --text-file"))
        #expect(try await run("reset", "--global").code == 1)
        #expect(try await run("show", "--global").code == 1)
    }
}
