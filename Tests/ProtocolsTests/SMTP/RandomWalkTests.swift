import Foundation
import MailTypes
import NIOCore
import Protocols
import SluiceTesting
import Testing

/// THREATS R5, R6, R24, R167, R194: whatever order commands come in, the machine answers as the reference
/// does, and each message that was taken had its own envelope and passed its own question.
@Suite struct RandomWalkTests {
    /// `SLUICE_WALK=1000000` walks farther.
    static let commands = ProcessInfo.processInfo.environment["SLUICE_WALK"].flatMap(Int.init) ?? 100_000
    static let seed = ProcessInfo.processInfo.environment["SLUICE_SEED"].flatMap(UInt64.init) ?? 5

    @Test func `a random walk stays beside the reference`() {
        var random = SeededRandom(Self.seed)
        var walked = 0
        while walked < Self.commands {
            let language = SMTPServerMachine.Language.allCases.randomElement(using: &random) ?? .smtp
            let script = (0..<60).map { _ in WalkStep.random(language, &random) }
            walked += script.count
            guard let difference = Walk.difference(script, language) else { continue }
            let shortest = Walk.shortened(script, language)
            let why = Walk.difference(shortest, language) ?? difference
            Issue.record("\(language): \(why)\n\(shortest.map(String.init(describing:)).joined(separator: "\n"))")
            return
        }
    }

    @Test func `a difference is found, and its script shortened`() {
        // The reference knows no language in which EHLO and LHLO are both refused.
        let script: [WalkStep] = [.noop, .hello("EHLO"), .noop, .mail(.init(sender: "a")), .noop]
        #expect(Walk.difference(script, .smtp) == nil)
        #expect(Walk.difference(script, .smtp, reference: .lmtp) != nil)
        #expect(Walk.shortened(script, .smtp, reference: .lmtp).map(String.init(describing:)).count == 1)
    }
}

enum WalkStep: CustomStringConvertible {
    struct Mail {
        var sender: String
        var prdr = false
        var binary = false
    }
    enum Content: String, CaseIterable {
        case plain, refused, deferred, big, bareLF, nul

        func octets(_ number: Int) -> [UInt8] {
            switch self {
            case .plain: Array("message \(number)\r\n".utf8)
            case .refused: Array("X-Refuse: \(number)\r\n".utf8)
            case .deferred: Array("X-Defer: \(number)\r\n".utf8)
            case .big: Array(String(repeating: "0123456789\r\n", count: 50).utf8)
            case .bareLF: Array("a\nb\r\n".utf8)
            case .nul: Array("a\0b\r\n".utf8)
            }
        }
    }

    case hello(String)
    case mail(Mail)
    case rcpt(String)
    case data(Content, Int)
    case bdat(Content, Int, last: Bool)
    case emptyLast
    case rset, noop, vrfy, startTLS, garbage, nonASCII, quit
    case auth(right: Bool)
    case authCancelled

    var description: String {
        switch self {
        case .hello(let verb): "\(verb) c.example"
        case .mail(let mail):
            "MAIL FROM:<\(mail.sender)@s.example>\(mail.prdr ? " PRDR" : "")\(mail.binary ? " BODY=BINARYMIME" : "")"
        case .rcpt(let name): "RCPT TO:<\(name)@here.example>"
        case .data(let content, let number): "DATA \(content) \(number)"
        case .bdat(let content, let number, let last): "BDAT \(content) \(number)\(last ? " LAST" : "")"
        case .emptyLast: "BDAT 0 LAST"
        case .rset: "RSET"
        case .noop: "NOOP"
        case .vrfy: "VRFY bob"
        case .startTLS: "STARTTLS"
        case .garbage: "XYZZY"
        case .nonASCII: "MAIL FROM:<jürgen@s.example>"
        case .quit: "QUIT"
        case .auth(let right): "AUTH \(right)"
        case .authCancelled: "AUTH *"
        }
    }

    static func random(_ language: SMTPServerMachine.Language, _ random: inout SeededRandom) -> WalkStep {
        let number = Int.random(in: 0..<1_000_000, using: &random)
        let content: Content =
            Bool.random(using: &random) ? .plain : Content.allCases.randomElement(using: &random) ?? .plain
        switch Int.random(in: 0..<40, using: &random) {
        case 0..<4: return .hello(language == .lmtp ? "LHLO" : "EHLO")
        case 4: return .hello(["HELO", "EHLO", "LHLO"].randomElement(using: &random) ?? "HELO")
        case 5..<11:
            let sender = Int.random(in: 0..<6, using: &random) == 0 ? "banned" : "s\(number)"
            return .mail(Mail(sender: sender, prdr: number % 5 == 0, binary: number % 7 == 0))
        case 11..<20:
            let kinds = ["unknown", "busy", "picky", "bob", "bob", "bob"]
            return .rcpt((kinds.randomElement(using: &random) ?? "bob") + "\(number)")
        case 20..<26: return .data(content, number)
        case 26..<31: return .bdat(content, number, last: number % 2 == 0)
        case 31: return .emptyLast
        case 32: return .rset
        case 33: return number % 3 == 0 ? .startTLS : .noop
        case 34: return .auth(right: number % 3 > 0)
        case 35: return .authCancelled
        case 36: return .garbage
        case 37: return .nonASCII
        case 38: return number % 6 == 0 ? .quit : .rset
        default: return .vrfy
        }
    }
}

/// Plays a script to both and compares.
enum Walk {
    static func difference(
        _ script: [WalkStep], _ language: SMTPServerMachine.Language, reference: SMTPServerMachine.Language? = nil
    ) -> String? {
        var transport = SMTPMachineTransport(configuration(language))
        _ = transport.receive()
        var model = ReferenceServer(isLMTP: (reference ?? language) == .lmtp)
        for step in script {
            let expected = model.codes(for: step)
            let takenBefore = transport.taken.count
            let codes = play(step, &transport)
            if codes != expected { return "\(step): got \(codes), expected \(expected)" }
            let new = Array(transport.taken.dropFirst(takenBefore))
            if let why = model.complaint(about: new, transport) { return "\(step): \(why)" }
            if transport.isOver { return nil }
        }
        return nil
    }

    /// Leaves out whatever the difference does not need.
    static func shortened(
        _ script: [WalkStep], _ language: SMTPServerMachine.Language, reference: SMTPServerMachine.Language? = nil
    ) -> [WalkStep] {
        var script = script
        var place = script.count
        while place > 0 {
            place -= 1
            var shorter = script
            shorter.remove(at: place)
            if difference(shorter, language, reference: reference) != nil { script = shorter }
        }
        return script
    }

    private static func configuration(_ language: SMTPServerMachine.Language) -> SMTPServerMachine.Configuration {
        var configuration = SMTPServerMachine.Configuration(hostname: "mx.here.example", language: language)
        configuration.maxMessageSize = ReferenceServer.maxSize
        configuration.maxRecipients = ReferenceServer.maxRecipients
        configuration.maxErrors = .max
        configuration.maxJunkCommands = .max
        configuration.maxUnknownBeforeHello = .max
        configuration.maxRefusedRecipients = .max
        configuration.offersStartTLS = true
        configuration.authMechanisms = ["PLAIN"]
        return configuration
    }

    private static func play(_ step: WalkStep, _ transport: inout SMTPMachineTransport) -> [Int] {
        switch step {
        case .data(let content, let number):
            let first = send("DATA\r\n", &transport)
            guard first == [354] else { return first }
            return first + send(content.octets(number) + Array(".\r\n".utf8), &transport)
        case .bdat(let content, let number, let last):
            let octets = content.octets(number)
            return send(Array("BDAT \(octets.count)\(last ? " LAST" : "")\r\n".utf8) + octets, &transport)
        case .startTLS:
            let codes = send("STARTTLS\r\n", &transport)
            if codes == [220] { transport.startTLS() }
            return codes
        case .auth(let right):
            return send("AUTH PLAIN \(right ? "AGFubmEAc2VjcmV0" : "AGFubmEAd3Jvbmc=")\r\n", &transport)
        case .authCancelled:
            let first = send("AUTH PLAIN\r\n", &transport)
            return first == [334] ? first + send("*\r\n", &transport) : first
        default:
            return send("\(step)\r\n", &transport)
        }
    }

    private static func send(_ text: String, _ transport: inout SMTPMachineTransport) -> [Int] {
        send(Array(text.utf8), &transport)
    }

    private static func send(_ octets: [UInt8], _ transport: inout SMTPMachineTransport) -> [Int] {
        transport.send(octets)
        return transport.receive().split(separator: .lf).compactMap { line in
            line.dropFirst(3).first == UInt8(ascii: "-") ? nil : Int(String(decoding: line.prefix(3), as: UTF8.self))
        }
    }
}

/// What a server is to do, written without a look at the machine: a few optional facts and rules over them.
struct ReferenceServer {
    static let maxSize = 400
    static let maxRecipients = 3

    struct Mail {
        var sender: String
        var prdr: Bool
        var binary: Bool
        var recipients: [String] = []
        var tried = false
        var chunks: [UInt8]?
    }

    let isLMTP: Bool
    var hello: String?
    var isEncrypted = false
    var isLoggedIn = false
    var mail: Mail?
    /// What the last step should have added to the messages taken.
    var taken: (mail: Mail, content: [UInt8])?

    mutating func codes(for step: WalkStep) -> [Int] {
        taken = nil
        switch step {
        case .hello(let verb):
            guard (verb == "LHLO") == isLMTP else { return [500] }
            hello = verb
            mail = nil
            return [250]
        case .mail(let new): return [sender(new)]
        case .rcpt(let name): return [recipient(name)]
        case .data(let content, let number): return data(content, number)
        case .bdat(let content, let number, let last): return chunk(content, content.octets(number), last)
        case .emptyLast: return chunk(.plain, [], true)
        case .rset:
            mail = nil
            return [250]
        case .noop: return [250]
        case .vrfy: return [252]
        case .garbage: return [500]
        case .nonASCII: return [hello == nil || mail != nil ? 503 : 553]
        case .quit: return [221]
        case .startTLS:
            if isEncrypted || hello == nil || hello == "HELO" { return [503] }
            (hello, mail, isLoggedIn, isEncrypted) = (nil, nil, false, true)
            return [220]
        case .auth(let right):
            if let refusal = loginRefusal { return [refusal] }
            isLoggedIn = right
            return [right ? 235 : 535]
        case .authCancelled:
            if let refusal = loginRefusal { return [refusal] }
            return [334, 501]
        }
    }

    private var loginRefusal: Int? {
        if hello == nil || isLoggedIn || mail != nil { return 503 }
        return isEncrypted ? nil : 538
    }

    private mutating func sender(_ new: WalkStep.Mail) -> Int {
        if hello == nil || mail != nil { return 503 }
        if hello == "HELO", new.prdr || new.binary { return 555 }
        if isLMTP, new.prdr { return 555 }
        if new.sender == "banned" { return 550 }
        mail = Mail(sender: new.sender, prdr: new.prdr, binary: new.binary)
        return 250
    }

    private mutating func recipient(_ name: String) -> Int {
        guard let now = mail, now.chunks == nil else { return 503 }
        if now.recipients.count >= Self.maxRecipients { return 452 }
        mail?.tried = true
        if name.hasPrefix("unknown") { return 550 }
        if name.hasPrefix("busy") { return 451 }
        mail?.recipients.append(name)
        return 250
    }

    private var contentRefusal: Int? {
        guard let mail else { return 503 }
        guard mail.recipients.isEmpty else { return nil }
        return mail.tried && !isLMTP ? 554 : 503
    }

    private mutating func data(_ content: WalkStep.Content, _ number: Int) -> [Int] {
        if let refusal = contentRefusal { return [refusal] }
        guard let now = mail, now.chunks == nil, !now.binary else { return [503] }
        mail = nil
        if let fault = fault(content, after: 0, isBinary: false, content.octets(number).count) {
            return [354] + each(now, fault)
        }
        return [354] + judged(now, content.octets(number))
    }

    private mutating func chunk(_ content: WalkStep.Content, _ octets: [UInt8], _ isLast: Bool) -> [Int] {
        if let refusal = contentRefusal { return [refusal] }
        guard var now = mail else { return [503] }
        let before = now.chunks ?? []
        if let fault = fault(content, after: before.count, isBinary: now.binary, octets.count) {
            mail = nil
            return isLast ? each(now, fault) : [fault]
        }
        now.chunks = before + octets
        mail = isLast ? nil : now
        return isLast ? judged(now, now.chunks ?? []) : [250]
    }

    private func fault(_ content: WalkStep.Content, after size: Int, isBinary: Bool, _ count: Int) -> Int? {
        let isBad = !isBinary && (content == .bareLF || content == .nul)
        if isBad { return size + 1 > Self.maxSize ? 552 : 550 }
        return size + count > Self.maxSize ? 552 : nil
    }

    /// A refusal of the whole message.
    private func each(_ mail: Mail, _ code: Int) -> [Int] {
        isLMTP ? mail.recipients.map { _ in code } : [code]
    }

    private mutating func judged(_ mail: Mail, _ content: [UInt8]) -> [Int] {
        let text = String(decoding: content, as: UTF8.self)
        if text.contains("X-Refuse:") { return each(mail, 550) }
        if text.contains("X-Defer:") { return each(mail, 451) }
        let codes = mail.recipients.map { $0.hasPrefix("picky") ? 550 : 250 }
        let isPerRecipient = isLMTP || mail.prdr
        if !isPerRecipient || codes.contains(250) { taken = (mail, content) }
        if isLMTP { return codes }
        return mail.prdr ? [353] + codes + [codes.contains(250) ? 250 : 550] : [250]
    }

    /// What is wrong with the messages that the last step brought.
    func complaint(about new: [SMTPMachineTransport.Taken], _ transport: SMTPMachineTransport) -> String? {
        guard let taken else { return new.isEmpty ? nil : "a message was taken that must not be" }
        guard new.count == 1, let one = new.first else { return "\(new.count) messages were taken" }
        guard one.content == taken.content else { return "the content is another's" }
        guard one.envelope.sender?.localPart == taken.mail.sender else { return "the sender is another's" }
        guard one.envelope.recipients.map(\.address.localPart) == taken.mail.recipients else {
            return "the recipients are another's"
        }
        guard transport.questions.last == .message(one.envelope) else { return "it was not asked about" }
        return nil
    }
}
