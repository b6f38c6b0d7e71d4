public import MailTypes
public import Pipeline

extension FooterStage {
    public struct Configuration: Decodable, Sendable {
        /// Whose footers are put below a message.
        public enum Mode: String, Decodable, Sendable, CaseIterable {
            case disabled
            /// Everybody's, and no post office's.
            case global
            /// The post office's, and never everybody's.
            case postOffice = "post-office"
            /// Both, the post office's first.
            case postOfficeThenGlobal = "post-office-then-global"

            var hasGlobal: Bool { self == .global || self == .postOfficeThenGlobal }
            var hasPostOffice: Bool { self == .postOffice || self == .postOfficeThenGlobal }
        }

        /// Whose copy of a message gets them.
        public enum Recipients: String, Decodable, Sendable, CaseIterable {
            /// Those whose mail leaves this server's domains.
            case external
            case all
        }

        public var mode = Mode.postOfficeThenGlobal
        public var recipients = Recipients.external
        /// Clients that need not log in for their mail to be an own user's.
        public var networks: [Network] = []
        public var place = FooterPlace.end
        /// Whether it is put below an answer that quotes it, again.
        public var repeats = false
        /// Everybody's, where the directory has none.
        public var footer = Footer()

        public init() {}
    }
}

extension FooterStage.Configuration {
    enum CodingKeys: String, CodingKey {
        case mode, recipients, networks, place
        case repeats = "repeat"
        case text, html
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        mode = table.value(.mode, default: mode)
        recipients = table.value(.recipients, default: recipients)
        networks = table.value(.networks, default: networks)
        place = table.value(.place, default: place)
        repeats = table.value(.repeats, default: repeats)
        let text = table.value(.text, default: "")
        let html = table.value(.html, default: "")
        footer = Footer(text: text.isEmpty ? nil : text, html: html.isEmpty ? nil : html)
        guard !footer.isEmpty else { return }
        do throws(FooterMistake) { _ = try FooterBlock(footer) } catch {
            throw DecodingError.dataCorruptedError(
                forKey: error.key == "html" ? .html : .text, in: table, debugDescription: error.reason)
        }
    }
}
