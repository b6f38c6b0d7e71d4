import ArgumentParser
import Directory
import Filters
import Foundation
import Pipeline

struct FooterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "footer", abstract: "Set what is put below mail to others, for a post office or for everybody.",
        discussion: """
            A footer has a plain and an HTML form; what is not given is made of the other. Which of them are used says \
            the file of the stage footer: none, everybody's, the post office's, or the post office's and then \
            everybody's. A running server puts them below the next message.
            """,
        subcommands: [Show.self, Set.self, Reset.self])

    struct Show: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a footer as it is put below mail; otherwise who has one.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: ArgumentHelp("A post office.", valueName: "post office")) var postOffice: String?
        @Flag(help: "Everybody's.") var global = false

        func validate() throws {
            if global, postOffice != nil { throw ValidationError("Name a post office, or say --global: not both.") }
        }

        func run(at site: PolicySite) throws {
            if global || postOffice != nil { return try showOne(at: site) }
            let entries: [FooterEntry] = try told { try site.directory.footers() }
            try output.show(entries, header: ["FOR", "TEXT", "HTML", "SINCE", "WHO", "AUDIT"]) { entry in
                [
                    entry.scope, entry.footer.text.size, entry.footer.html.size, entry.changed.stamp, entry.author,
                    "\(entry.audit)",
                ].map(Terminal.harmless)
            }
        }

        private func showOne(at site: PolicySite) throws {
            let found: FooterEntry? = try told { try site.directory.footer(of: postOffice) }
            guard let entry = found else {
                throw CommandFailure.wrong("\(postOffice ?? "Everybody") has no footer in the directory.")
            }
            if output.json { return print(try Terminal.json(entry)) }
            for (name, form) in [("text", entry.footer.text), ("html", entry.footer.html)] {
                guard let form else { continue }
                print(Terminal.styled("\(name):", .bold))
                for line in form.split(whereSeparator: \.isNewline) { print("    \(Terminal.harmless("\(line)"))") }
            }
            print("Set by \(Terminal.harmless(entry.author)), \(entry.changed.stamp) (audit \(entry.audit)).")
        }
    }

    struct Set: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a footer: both forms at once.",
            discussion: """
                The HTML is a piece of a page, without <html> and <body>; styles stand in attributes. Nothing is \
                fetched: pictures in it are addresses that readers' programs may not load.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: FooterTarget
        @Option(help: ArgumentHelp("The plain form, as one line.", valueName: "words")) var text: String?
        @Option(help: ArgumentHelp("The plain form, in a file of UTF-8; - is standard input.", valueName: "file"))
        var textFile: String?
        @Option(help: ArgumentHelp("The HTML form, in a file of UTF-8.", valueName: "file")) var htmlFile: String?

        func validate() throws {
            if text != nil, textFile != nil { throw ValidationError("Say --text or --text-file, not both.") }
            guard htmlFile != "-" else { throw ValidationError("Only --text-file can be standard input.") }
        }

        func run(at site: PolicySite) throws {
            guard text != nil || textFile != nil || htmlFile != nil else {
                throw CommandFailure.wrong("Say at least one of --text, --text-file and --html-file.")
            }
            let footer = Footer(text: try text ?? textFile.map(Self.read), html: try htmlFile.map(Self.read))
            if let mistake = FooterStage.mistake(in: footer) {
                throw CommandFailure.wrong("The \(mistake.key) form \(mistake.reason).")
            }
            let entry = try site.change { try $0.setFooter(footer, for: target.postOffice) }
            if output.json {
                print(try Terminal.json(entry))
            } else {
                print("Set the footer of \(entry.scope) (audit \(entry.audit)).")
            }
            site.warn(without: FooterStage.name)
        }

        /// A file's text; one that is longer than any footer is not read to its end.
        private static func read(_ path: String) throws -> String {
            let handle = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
            guard let handle else { throw CommandFailure.wrong("\(path) cannot be read.") }
            var data = Data()
            while data.count <= Footer.mostOctets,
                let more = try handle.read(upToCount: Footer.mostOctets + 1 - data.count), !more.isEmpty
            { data += more }
            guard let text = String(validating: data, as: UTF8.self) else {
                throw CommandFailure.wrong("\(path) is not UTF-8.")
            }
            return text
        }
    }

    struct Reset: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a footer away; everybody's in the stage's file holds again.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: FooterTarget

        func run(at site: PolicySite) throws {
            guard let entry = try site.change({ try $0.resetFooter(for: target.postOffice) }) else {
                throw CommandFailure.wrong("\(target.postOffice ?? "Everybody") has no footer in the directory.")
            }
            if output.json { return print(try Terminal.json(entry)) }
            print("Took the footer of \(entry.scope) away.")
        }
    }
}

/// Whose footer.
struct FooterTarget: ParsableArguments {
    @Argument(help: ArgumentHelp("A post office.", valueName: "post office")) var postOffice: String?
    @Flag(help: "Everybody's.") var global = false

    func validate() throws {
        guard global == (postOffice == nil) else { throw ValidationError("Name a post office, or say --global.") }
    }
}

extension String? {
    /// How long a form is, for a table.
    fileprivate var size: String { map { "\($0.utf8.count) octets" } ?? "-" }
}
