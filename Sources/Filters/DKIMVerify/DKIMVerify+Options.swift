import Pipeline

extension DKIMVerify.Configuration {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case fail, permerror, temperror, policy, neutral, none
        case failPoints = "fail_points"
        case permerrorPoints = "permerror_points"
        case temperrorPoints = "temperror_points"
        case policyPoints = "policy_points"
        case neutralPoints = "neutral_points"
        case nonePoints = "none_points"
        case passPoints = "pass_points"
        case maxSignatures = "max_signatures"
        case minRSABits = "min_rsa_bits"
        case partialBody = "partial_body"
        case unsignedFrom = "unsigned_from"
        case testKeys = "test_keys"
        case replays
        case replayPoints = "replay_points"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        fail = table.value(.fail, default: fail)
        permerror = table.value(.permerror, default: permerror)
        temperror = table.value(.temperror, default: temperror)
        policy = table.value(.policy, default: policy)
        neutral = table.value(.neutral, default: neutral)
        none = table.value(.none, default: none)
        failPoints = table.value(.failPoints, default: failPoints)
        permerrorPoints = table.value(.permerrorPoints, default: permerrorPoints)
        temperrorPoints = table.value(.temperrorPoints, default: temperrorPoints)
        policyPoints = table.value(.policyPoints, default: policyPoints)
        neutralPoints = table.value(.neutralPoints, default: neutralPoints)
        nonePoints = table.value(.nonePoints, default: nonePoints)
        passPoints = table.value(.passPoints, default: passPoints)
        maxSignatures = table.value(.maxSignatures, default: maxSignatures)
        minRSABits = table.value(.minRSABits, default: minRSABits)
        partialBody = table.value(.partialBody, default: partialBody)
        unsignedFrom = table.value(.unsignedFrom, default: unsignedFrom)
        testKeys = table.value(.testKeys, default: testKeys)
        replays = table.value(.replays, default: replays)
        replayPoints = table.value(.replayPoints, default: replayPoints)
        guard replays.count != 0 else {
            throw DecodingError.dataCorruptedError(
                forKey: .replays, in: table,
                debugDescription: "would call every signature a replay; \"1/1d\" lets each come once a day")
        }
    }
}
