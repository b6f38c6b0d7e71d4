/// The usual chain, as the program carries it: what `sluice demo` writes and a new installation begins with.
enum DefaultFilters {
    // The build makes an identifier of a file's name by putting `_` for its first character.

    /// Name and content of each file, in the order of the chain.
    static let files: [(name: String, content: [UInt8])] = [
        ("10-access.toml", PackageResources._0_access_toml),
        ("12-early-talker.toml", PackageResources._2_early_talker_toml),
        ("13-iprev.toml", PackageResources._3_iprev_toml),
        ("14-rate.toml", PackageResources._4_rate_toml),
        ("15-helo.toml", PackageResources._5_helo_toml),
        ("16-size.toml", PackageResources._6_size_toml),
        ("18-senders.toml", PackageResources._8_senders_toml),
        ("19-relay-domain.toml", PackageResources._9_relay_domain_toml),
        ("20-transport.toml", PackageResources._0_transport_toml),
        ("21-srs.toml", PackageResources._1_srs_toml),
        ("22-relay.toml", PackageResources._2_relay_toml),
        ("24-recipients.toml", PackageResources._4_recipients_toml),
        ("25-smarthost.toml", PackageResources._5_smarthost_toml),
        ("26-spf.toml", PackageResources._6_spf_toml),
        ("27-split-domain.toml", PackageResources._7_split_domain_toml),
        ("28-dkim-verify.toml", PackageResources._8_dkim_verify_toml),
        ("29-arc.toml", PackageResources._9_arc_toml),
        ("30-header.toml", PackageResources._0_header_toml),
        ("31-catchall.toml", PackageResources._1_catchall_toml),
        ("32-received.toml", PackageResources._2_received_toml),
        ("33-clamav.toml", PackageResources._3_clamav_toml),
        ("34-dnsbl.toml", PackageResources._4_dnsbl_toml),
        ("36-dmarc.toml", PackageResources._6_dmarc_toml),
        ("38-results.toml", PackageResources._8_results_toml),
        ("39-lists.toml", PackageResources._9_lists_toml),
        ("40-greylist.toml", PackageResources._0_greylist_toml),
        ("42-send-limits.toml", PackageResources._2_send_limits_toml),
        ("43-policy.toml", PackageResources._3_policy_toml),
        ("44-spam.toml", PackageResources._4_spam_toml),
        ("46-rspamd.toml", PackageResources._6_rspamd_toml),
        ("47-spamassassin.toml", PackageResources._7_spamassassin_toml),
        ("48-milter.toml", PackageResources._8_milter_toml),
        ("60-thresholds.toml", PackageResources._0_thresholds_toml),
        ("80-footer.toml", PackageResources._0_footer_toml),
        ("90-dkim-sign.toml", PackageResources._0_dkim_sign_toml),
        ("92-arc-seal.toml", PackageResources._2_arc_seal_toml),
    ]
}
