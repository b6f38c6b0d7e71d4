import MailTypes
import Pipeline
import Protocols

// The client's session as the mail server tells it. docs/milter.md, Macros.

extension MilterPlace {
    /// What is asked for where a server lets a milter say so.
    static let wanted: [MilterPlace: [String]] = [
        .connect: [
            "j", "{client_addr}", "{client_port}", "{client_ptr}", "{client_resolve}", "{if_addr}", "{daemon_addr}",
        ],
        .hello: ["{tls_version}", "{cipher}"],
        .mail: ["i", "{auth_type}", "{auth_authen}", "{tls_version}", "{cipher}"],
        .recipient: ["i"], .data: ["i"], .endOfHeader: ["i"], .endOfMessage: ["i"],
    ]
}

extension MilterServerMachine {
    /// The domain of addresses that have none: the server's own name.
    func home(else hostname: String) -> String {
        macro("j").flatMap { try? AddressParser.domain($0) } ?? hostname
    }
}

extension Session {
    init(listener: String, host: String, _ peer: MilterPeer, _ machine: MilterServerMachine) {
        var (client, port): (IPAddress?, Int) = (nil, 0)
        switch peer {
        case .address(let address, let told): (client, port) = (address, Int(told))
        // Whoever is on a socket of the file system is on the server's own machine.
        case .local: client = "127.0.0.1"
        case .unknown: break
        }
        // A client without an address is in no network; "unknown" is what a macro says then.
        let told = machine.macro("{client_addr}").flatMap { IPAddress($0.withoutTag) }
        self.init(language: .milter, listener: listener, client: client ?? told ?? "0.0.0.0", clientPort: port)
        if port == 0 { clientPort = machine.macro("{client_port}").flatMap { Int($0) } ?? 0 }
        let name = Self.hostName(host)
        // Sendmail says how sure it is of a name; Postfix has only such as lead back.
        let isSure = machine.macro("{client_resolve}").map { $0 == "OK" } ?? true
        clientName = isSure ? name : nil
        clientReverseName = machine.macro("{client_ptr}").flatMap(Self.hostName) ?? name
        // Sendmail's name for it, and Postfix's.
        let own = machine.macro("{if_addr}") ?? machine.macro("{daemon_addr}")
        serverAddress = own.flatMap { IPAddress($0.withoutTag) }
        takeEncryption(machine)
    }

    mutating func takeEncryption(_ machine: MilterServerMachine) {
        guard let version = machine.macro("{tls_version}"), !version.isEmpty else { return }
        tls = TLS(version: version, cipher: machine.macro("{cipher}") ?? "")
    }

    /// Who has logged in there: a name without a domain gets that of the server.
    mutating func takeLogin(_ machine: MilterServerMachine, home: String) {
        user = nil
        guard let name = machine.macro("{auth_authen}"), !name.isEmpty else { return }
        let full = name.contains("@") ? name : "\(name)@\(home)"
        guard let mailbox = try? AddressParser.mailbox(full) else { return }
        user = User(mailbox: mailbox, mechanism: machine.macro("{auth_type}") ?? "")
    }

    private static func hostName(_ text: String) -> String? {
        guard !text.hasPrefix("["), text != "unknown" else { return nil }
        return try? AddressParser.domain(text, allowsUTF8: false)
    }
}

extension String {
    fileprivate var withoutTag: String { asciiLowercased.hasPrefix("ipv6:") ? String(dropFirst(5)) : self }
}
