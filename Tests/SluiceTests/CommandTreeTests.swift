import Foundation
import Testing

/// Every command does something of its own: the argument parser prints a command's help where it has nothing to run.
@Suite struct CommandTreeTests {
    /// What `sluice --experimental-dump-help` tells of a command, as far as it is needed here.
    struct Command: Decodable {
        struct Argument: Decodable {
            struct Name: Decodable { var name: String }

            var kind: String
            var isOptional: Bool
            var valueName: String?
            var names: [Name]?
        }

        var commandName: String
        var subcommands: [Command]?
        var arguments: [Argument]?

        /// The commands that have none below them, as they are typed.
        func leaves(below path: [String] = []) -> [(path: [String], command: Command)] {
            let inner = (subcommands ?? []).filter { $0.commandName != "help" }
            if inner.isEmpty { return [(path, self)] }
            return inner.flatMap { $0.leaves(below: path + [$0.commandName]) }
        }

        func has(_ option: String) -> Bool {
            (arguments ?? []).contains { ($0.names ?? []).contains { $0.name == option } }
        }

        /// The fewest words that it can be called with, and a configuration that is not there: it goes no further.
        var words: [String] {
            var words: [String] = []
            for argument in arguments ?? [] {
                let isID = ["id", "ids"].contains(argument.valueName)
                if argument.kind == "positional", !argument.isOptional || isID {
                    words.append(isID ? "06gztb6kwves9h44-0" : "x@acme.test")
                } else if argument.kind == "option", !argument.isOptional, let name = argument.names?.first?.name {
                    words += ["--\(name)", "x@acme.test"]
                }
            }
            if has("global"), !words.contains("--global") { words.append("--global") }
            // Without its first argument such a command lists.
            let mayList = (arguments ?? []).first { $0.kind == "positional" }?.isOptional ?? false
            if has("off"), !mayList { words.append("--off") }
            if has("backup") { words.append("--backup") }
            if has("enable-mail") { words.append("--enable-mail") }
            if has("no-only-authenticated") { words.append("--only-authenticated") }
            if has("enable-split") { words.append("--enable-split") }
            if has("config") { words += ["--config", "/nonexistent/sluice.toml"] }
            if commandName == "demo" { words += ["--data", "/dev/null/demo"] }
            return words
        }
    }

    private struct Tree: Decodable { var command: Command }

    @Test func `every command without commands below it runs`() async throws {
        let dump = try await Programs.run(Programs.sluice, ["--experimental-dump-help"])
        let leaves = try JSONDecoder().decode(Tree.self, from: Data(dump.output.utf8)).command.leaves()
        #expect(leaves.count > 35)
        for (path, command) in leaves {
            let ran = try await Programs.run(Programs.sluice, path + command.words)
            let codes: [Int32] = path == ["version"] ? [0] : [1, 75]
            #expect(codes.contains(ran.code), "\(path + command.words): \(ran)")
            #expect(!ran.output.contains("OVERVIEW:"), "\(path) prints its help")
        }
    }

    @Test func `what was added is removed`() async throws {
        let place = try await Place()
        func sluice(_ words: String...) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        #expect(try await sluice("group", "add", "staff@acme.test", "anna@acme.test").code == 0)
        for (kind, name, said) in [
            ("group", "staff@acme.test", "Removed group staff@acme.test.\n"),
            ("alias", "both@acme.test", "Removed alias both@acme.test.\n"),
            ("mailbox", "carl@acme.test", "Removed mailbox carl@acme.test."),
            ("domain", "beta.test", "Removed domain beta.test. Mail that was delivered stays in the data folder.\n"),
        ] {
            #expect(try await sluice(kind, "list").output.contains(name), "\(kind)")
            let removed = try await sluice(kind, "remove", name)
            #expect(removed.code == 0 && removed.output.hasPrefix(said), "\(removed)")
            #expect(try await sluice(kind, "list").output.contains(name) == false, "\(kind)")
            #expect(try await sluice(kind, "remove", name).code == 1)
        }
        #expect(try await sluice("domain", "remove", "acme.test").code == 1, "it holds mailboxes")
        #expect(try await sluice("domain", "remove", "acme.test", "--force").code == 0)
        #expect(try await sluice("postoffice", "remove", "acme").code == 0)
        let audit = try await sluice("audit", "--json")
        for word in ["group.remove", "alias.remove", "domain.remove"] { #expect(audit.output.contains(word)) }
    }
}
