/// What a milter may do to a message, as it is negotiated (SMFIF_*). docs/milter.md.
public struct MilterActions: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let addHeaders = Self(rawValue: 0x001)
    public static let changeBody = Self(rawValue: 0x002)
    public static let addRecipients = Self(rawValue: 0x004)
    public static let deleteRecipients = Self(rawValue: 0x008)
    public static let changeHeaders = Self(rawValue: 0x010)
    public static let quarantine = Self(rawValue: 0x020)
    public static let changeSender = Self(rawValue: 0x040)
    public static let addRecipientsWithParameters = Self(rawValue: 0x080)
    /// Changes nothing: the milter may name the macros it wants.
    public static let nameMacros = Self(rawValue: 0x100)

    /// All that version 6 knows.
    public static let all = Self(rawValue: 0x1FF)
    /// What version 2 knew.
    static let early = Self(rawValue: 0x03F)
}

/// What a milter wants to hear, and what it replies to, as it is negotiated (SMFIP_*). docs/milter.md.
public struct MilterSteps: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let noConnect = Self(rawValue: 0x00_0001)
    public static let noHello = Self(rawValue: 0x00_0002)
    public static let noMail = Self(rawValue: 0x00_0004)
    public static let noRecipient = Self(rawValue: 0x00_0008)
    public static let noBody = Self(rawValue: 0x00_0010)
    public static let noHeader = Self(rawValue: 0x00_0020)
    public static let noEndOfHeader = Self(rawValue: 0x00_0040)
    public static let noReplyToHeader = Self(rawValue: 0x00_0080)
    public static let noUnknown = Self(rawValue: 0x00_0100)
    public static let noData = Self(rawValue: 0x00_0200)
    public static let skip = Self(rawValue: 0x00_0400)
    public static let refusedRecipients = Self(rawValue: 0x00_0800)
    public static let noReplyToConnect = Self(rawValue: 0x00_1000)
    public static let noReplyToHello = Self(rawValue: 0x00_2000)
    public static let noReplyToMail = Self(rawValue: 0x00_4000)
    public static let noReplyToRecipient = Self(rawValue: 0x00_8000)
    public static let noReplyToData = Self(rawValue: 0x01_0000)
    public static let noReplyToUnknown = Self(rawValue: 0x02_0000)
    public static let noReplyToEndOfHeader = Self(rawValue: 0x04_0000)
    public static let noReplyToBody = Self(rawValue: 0x08_0000)
    public static let leadingSpace = Self(rawValue: 0x10_0000)

    /// All that version 6 knows.
    public static let all = Self(rawValue: 0x1F_FFFF)
    /// What version 2 knew.
    static let early = Self(rawValue: 0x00_007F)
}

/// Where in a session macros are sent: the places by which a milter names those it wants.
public enum MilterPlace: UInt32, Sendable, Hashable, CaseIterable {
    case connect, hello, mail, recipient, data, endOfMessage, endOfHeader

    /// The code of the command that the macros come before.
    var code: UInt8 {
        switch self {
        case .connect: UInt8(ascii: "C")
        case .hello: UInt8(ascii: "H")
        case .mail: UInt8(ascii: "M")
        case .recipient: UInt8(ascii: "R")
        case .data: UInt8(ascii: "T")
        case .endOfMessage: UInt8(ascii: "E")
        case .endOfHeader: UInt8(ascii: "N")
        }
    }

    /// The macros that are sent where the milter has not asked for others.
    var usualMacros: [String] {
        switch self {
        case .connect:
            ["j", "{daemon_name}", "v", "_", "{client_addr}", "{client_name}", "{client_port}"]
        case .hello: ["{tls_version}", "{cipher}"]
        case .mail: ["i", "{auth_type}", "{auth_authen}", "{mail_addr}", "{mail_host}"]
        case .recipient: ["i", "{rcpt_addr}", "{rcpt_host}"]
        case .data, .endOfHeader, .endOfMessage: ["i"]
        }
    }
}

/// What both sides say first: what they can do, or want of it.
public struct MilterNegotiation: Sendable, Hashable {
    /// The newest version of the protocol, and the oldest that is spoken here.
    public static let newestVersion: UInt32 = 6
    public static let oldestVersion: UInt32 = 2
    /// Names of macros that a milter may ask for at one place.
    static let mostMacros = 64

    public var version: UInt32
    public var actions: MilterActions
    public var steps: MilterSteps
    /// The macros that a milter asks for; a place that is not named has its usual ones.
    public var macros: [MilterPlace: [String]]

    public init(
        version: UInt32 = Self.newestVersion, actions: MilterActions, steps: MilterSteps,
        macros: [MilterPlace: [String]] = [:]
    ) {
        self.version = version
        self.actions = actions
        self.steps = steps
        self.macros = macros
    }
}
