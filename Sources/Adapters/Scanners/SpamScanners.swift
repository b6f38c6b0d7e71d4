import MailTypes
import NIOPosix
public import Pipeline
import Protocols

/// Asks rspamd and spamd, whichever of their servers answers.
public final class SpamScanners: Sendable {
    private let rotation = ServerRotation<ScannerAddress>()

    public init() {}

    /// - Throws: No server has answered, or none has said anything that can be read.
    public func answer(_ question: SpamScanQuestion) async throws(StageFailure) -> SpamReport {
        guard let message = question.message.message, let order = question.order else {
            throw StageFailure("the message is not at hand")
        }
        var failures: [StageFailure] = []
        for server in rotation.order(of: order.servers) {
            do throws(StageFailure) {
                let verdict = try await verdict(question.scanner, on: message, order, at: server)
                rotation.note(server, isWell: true)
                return SpamReport(verdict, server: server)
            } catch {
                if Task.isCancelled { throw error }
                rotation.note(server, isWell: false)
                failures.append(StageFailure("\(server): \(error.reason)", timedOut: error.timedOut))
            }
        }
        let reasons = failures.map(\.reason).joined(separator: "; ")
        throw StageFailure(
            "no \(question.scanner.rawValue) answers: \(reasons)", timedOut: failures.contains(where: \.timedOut))
    }

    private func verdict(
        _ scanner: SpamScanner, on message: Message, _ order: SpamScanQuestion.Order, at server: ScannerAddress
    ) async throws(StageFailure) -> ScannerVerdict {
        switch scanner {
        case .rspamd:
            let head = Rspamd.request(
                Rspamd.Envelope(order), size: message.size, host: server.hostField, password: order.password)
            let reply = try await ask(server, order, head, message, Rspamd.reader())
            guard let verdict = Rspamd.verdict(reply) else {
                throw StageFailure("its answer (\(reply.status)) cannot be read")
            }
            return verdict
        case .spamassassin:
            let head = Spamd.request(size: message.size, user: order.account)
            return try await ask(server, order, head, message, Spamd.reader())
        }
    }

    private func ask<Reader: ScannerReplyReader>(
        _ server: ScannerAddress, _ order: SpamScanQuestion.Order, _ head: [UInt8], _ message: Message, _ reader: Reader
    ) async throws(StageFailure) -> Reader.Reply {
        let connection = ScannerConnection(
            address: server, patience: order.patience.duration, pieces: message.pieces, head: head, reader: reader)
        return try await connection.answer(on: MultiThreadedEventLoopGroup.singleton)
    }
}

extension SpamReport {
    init(_ verdict: ScannerVerdict, server: ScannerAddress) {
        self.init(
            score: verdict.score,
            symbols: verdict.rules.map { Symbol($0.name, points: $0.points, description: $0.description) },
            server: server.description)
    }
}

extension ScannerAddress {
    /// HTTP wants a host, also where there is none.
    fileprivate var hostField: String { if case .host = self { description } else { "localhost" } }
}

extension Rspamd.Envelope {
    init(_ order: SpamScanQuestion.Order) {
        self.init()
        client = order.session.client.description
        hello = order.session.hello
        clientName = order.session.clientName
        sender = order.sender?.description ?? ""
        recipients = order.recipients.map(\.description)
        user = order.session.user?.mailbox.description
        id = order.id
    }
}
