import Adapters
import ArgumentParser
import Configuration
import Delivery
import Directory
import Filters
import Foundation
import MailTypes

/// How a server is reached that mail is handed to.
struct RelayOptions: ParsableArguments {
    @Option(help: "TLS: none, opportunistic, required, verified, implicit. With a login: verified.")
    var tls: Word<RelayHost.Security>?
    @Option(help: ArgumentHelp("The name to log in with.", valueName: "name")) var login: String?
    @Flag(help: "Read its password from standard input, up to the first line end.") var passwordStdin = false

    func validate() throws {
        guard (login == nil) != passwordStdin else {
            throw ValidationError("--login and --password-stdin belong together.")
        }
    }

    /// Whether anything is said of how the server is reached.
    var isSaid: Bool { tls != nil || login != nil }

    func check(isBackup: Bool) throws {
        guard !isBackup || !isSaid else {
            throw ValidationError("Exchangers have no login, and TLS with them is as [delivery] says.")
        }
    }

    /// The server, checked, with its password sealed.
    func relay(_ text: String, _ settings: ServerConfiguration, _ data: DataFolder) throws -> NewRelay {
        if login != nil, tls?.value == .required {
            Terminal.complain("warning: any certificate will do, so whoever is on the way can read the password.")
        }
        let password = login == nil ? nil : readLine(strippingNewline: true) ?? ""
        let relay = RelayText(host: text, tls: tls?.value.rawValue, login: login, password: password)
        return try Self.relay(relay, settings, data)
    }

    static func relay(_ text: RelayText, _ settings: ServerConfiguration, _ data: DataFolder) throws -> NewRelay {
        let host = try host(text.host)
        try check(host, settings)
        let security =
            try text.tls.map(Self.security)
            ?? (text.login == nil ? RelayHost.Security.opportunistic : .verified)
        var relay = NewRelay(host: host.name, port: host.port, security: security)
        guard let login = text.login else { return relay }
        guard (1...Self.longest).contains(login.utf8.count), !login.utf8.contains(0) else {
            throw CommandFailure.wrong("A login is 1 to \(Self.longest) octets without NUL.")
        }
        guard let password = text.password, (1...Self.longest).contains(password.utf8.count),
            !password.utf8.contains(0)
        else {
            throw CommandFailure.wrong(
                "The login has no password, or one with NUL in it or more than \(Self.longest) octets.")
        }
        relay.login = try LoginSeal(path: data.sealKey).seal(password, name: login, host: host.name, port: host.port)
        return relay
    }

    private static func security(_ word: String) throws -> RelayHost.Security {
        guard let security = RelayHost.Security(rawValue: word.lowercased()) else {
            let words = RelayHost.Security.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure.wrong("TLS is one of \(words).")
        }
        return security
    }

    private static let longest = 1_024

    /// `mail.example.org`, `192.0.2.1:30`, `[2001:db8::1]:25`.
    static func host(_ text: String) throws -> RelayHost {
        guard let route = try? TransportRoute(parsing: "smtp:\(text)"), let host = route.host else {
            throw CommandFailure.wrong(
                "\"\(Terminal.harmless(text))\" is not a host such as mail.example.org, 192.0.2.1:30 or "
                    + "[2001:db8::1]:25.")
        }
        return host
    }

    /// Never this server itself: mail would go round.
    private static func check(_ host: RelayHost, _ settings: ServerConfiguration) throws {
        guard !settings.isItself(host.name, host.port) else {
            throw CommandFailure.wrong("\(host.name):\(host.port) is this server itself: mail would go round for ever.")
        }
    }
}

extension ServerConfiguration {
    /// Whether this server would answer there, as far as its name or address says.
    func isItself(_ host: String, _ port: Int) -> Bool {
        let own = ownEndpoints
        if let address = IPAddress(host) { return own.answers(at: address, port) }
        return own.contains { $0.port == port } && [hostname.asciiLowercased, "localhost"].contains(host)
    }
}

extension RelayEntry {
    var words: String { isBackup ? "its exchangers (backup)" : "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}
