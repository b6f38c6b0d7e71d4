import Foundation
import Testing

/// What people see of a trace.
@Suite struct TraceTextTests {
    static let message = "From: A <a@out.test>\nMessage-ID: <1@out.test>\nSubject: =?utf-8?q?caf=C3=A9?=\n\nbody\n"

    private func tried(
        _ arguments: [String], _ message: String = message, in place: Place? = nil
    ) async throws -> [String] {
        let place = if let place { place } else { try await Place() }
        try place.folder.write(message, to: "message.eml")
        let ran = try await Programs.run(
            Programs.sluice,
            ["try", "message.eml", "--from", "a@out.test"] + arguments + [
                "--config", place.folder.path + "/sluice.toml",
            ],
            folder: place.folder.path)
        #expect(ran.code == 0, "\(ran)")
        #expect(!ran.output.contains("\u{1B}"), "colours are for terminals")
        return ran.output.split(separator: "\n").map(String.init)
    }

    @Test func `stages that found nothing share a line, and what decided has its own with its place`() async throws {
        let lines = try await tried(["--client", "192.0.2.7", "--to", "anna@acme.test"])
        #expect(lines.first?.contains("deferred") == true)
        #expect(lines.contains { $0.hasPrefix("  connect ") && $0.hasSuffix("access, early-talker") })
        #expect(lines.contains { $0.hasSuffix("rate, size, relay-domain, transport, srs, relay") })
        #expect(lines.contains("  recipient   anna@acme.test"))
        #expect(lines.contains { $0.hasSuffix("recipients    goes to mailbox anna@acme.test") })
        #expect(lines.contains { $0.contains("greylist      tempfail  451 4.7.1 Greylisted") })
        #expect(lines.contains { $0.hasSuffix("delay = \"5m\"  default") })
        #expect(lines.contains { $0.hasPrefix("  result      anna@acme.test  refused  451 4.7.1") })
        #expect(!lines.contains { $0.contains("continue") })
    }

    @Test func `what a stage in shadow would have done is seen, and is no verdict`() async throws {
        let place = try await Place()
        let shadow = "stage = \"size\"\nobserve = true\n[size]\nmax = \"5B\"\n"
        try place.folder.write(shadow, to: "filters.d/16-size.toml")
        let text = try await tried(["--to", "anna@acme.test"], in: place).joined(separator: "\n")
        #expect(text.contains("size          would reject  552 5.3.4"))
        #expect(text.contains("(observed only)"))
        #expect(text.contains("16-size.toml:4:7"))
        #expect(text.contains("reply       250 2.0.0"))
    }

    @Test func `with --full each stage has its line, with --facts each answer`() async throws {
        let lines = try await tried(["--full", "--facts", "--to", "anna@acme.test"])
        for stage in ["access", "early-talker", "rate"] {
            #expect(lines.contains { $0.contains(" \(stage) ") && $0.hasSuffix("continue") }, "\(stage)")
        }
        #expect(lines.contains { $0.contains("greylist") && $0.contains("skipped") })
        #expect(lines.contains { $0.hasPrefix("  facts       0  ") })
        #expect(lines.contains { $0.hasSuffix("directory: address anna@acme.test: mailbox anna@acme.test") })
    }

    @Test func `fields are named as in messages, and read as people read them`() async throws {
        let lines = try await tried(["--to", "anna@acme.test"])
        #expect(lines.contains("  From:       A <a@out.test>"))
        #expect(lines.contains("  Subject:    café"))
        #expect(lines.contains("  Message-ID: <1@out.test>"))
        #expect(lines.contains { $0.hasSuffix("HEADER_DATE  The message needs a Date field that can be read") })
        #expect(lines.contains("  result      anna@acme.test  deliver  mailbox anna@acme.test"))
        #expect(lines.contains { $0.hasPrefix("  reply       250 2.0.0 Taken as ") })
    }

    @Test func `of many recipients the envelope shows a few`() async throws {
        let lines = try await tried(["anna", "bert", "carl", "both"].flatMap { ["--to", "\($0)@acme.test"] })
        let few = "anna@acme.test, bert@acme.test, carl@acme.test +1"
        #expect(lines.contains("  envelope    a@out.test to \(few)"), "\(lines)")
        #expect(lines.contains { $0.hasPrefix("  result      anna@acme.test  ") })
        #expect(lines.contains { $0.hasPrefix("              both@acme.test  ") }, "the result has all of them")
    }

    @Test func `a way that many members go is told once`() async throws {
        let place = try await Place()
        let members = (0..<40).map { "m\($0)@elsewhere.test" }
        let added = try await Programs.run(
            Programs.sluice,
            ["alias", "add", "crowd@acme.test"] + members + ["--config", place.folder.path + "/sluice.toml"])
        #expect(added.code == 0, "\(added)")
        let lines = try await tried(["--to", "crowd@acme.test"], in: place)
        #expect(lines.contains { $0.hasSuffix("goes to mx elsewhere.test for 40 addresses") }, "\(lines)")
        let result = lines.first { $0.hasPrefix("  result      crowd@acme.test  deliver  mx elsewhere.test as ") }
        #expect(result?.hasSuffix(" for 40 addresses") == true, "\(lines)")
    }

    @Test func `a message that was refused is delivered to nobody`() async throws {
        let lines = try await tried(["--to", "anna@acme.test"], "Subject: x\n\nbody\n")
        #expect(lines.contains("  result      anna@acme.test  refused"))
        #expect(
            lines.count { $0.contains("The message needs exactly one From field") } == 2, "by the stage, to the client")
        #expect(lines.contains { $0.contains("from = \"reject\"") })
    }

    @Test func `what strangers write cannot touch the terminal`() async throws {
        let lines = try await tried(
            ["--to", "anna@acme.test"], "From: a@out.test\nSubject: =?utf-8?q?=1B[2Jx=0Ay?=\n\n\n")
        #expect(lines.contains("  Subject:    \u{FFFD}[2Jx\u{FFFD}y"))
    }
}
