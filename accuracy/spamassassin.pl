#!/usr/bin/perl
# SpamAssassin without network: spamassassin.pl FOLDER BAYES(0|1)
#
# Reads lines "learn spam PATH", "learn ham PATH", "sync" and "score PATH"; answers each with a line. A score is
# followed by the names of the rules.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($folder, $bayes) = @ARGV;
my $engine = Mail::SpamAssassin->new({
    local_tests_only => 1,
    dont_copy_prefs => 1,
    userstate_dir => $folder,
    userprefs_filename => "$folder/user_prefs",
    post_config_text => join("\n",
        "use_bayes $bayes", "bayes_auto_learn 0", "bayes_path $folder/bayes", "dns_available no",
        # Of no consequence for verdicts, but several processes would wait for each other.
        "bayes_auto_expire 0", "lock_method flock", ""),
});
$engine->init(1);
# As sa-learn does it: what is learnt stays open until it is written.
$engine->init_learner({caller_will_untie => 1, wait_for_lock => 1}) if $bayes;
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    if ($line eq "sync") {
        $engine->rebuild_learner_caches();
        $engine->finish_learner();
        print "done\n";
    } elsif ($line =~ /^learn (spam|ham) (.*)$/) {
        my $message = $engine->parse(octets($2), 0);
        my $status = $engine->learn($message, undef, $1 eq "spam", 0);
        print $status->did_learn() ? "learnt\n" : "known\n";
        $status->finish();
        $message->finish();
    } elsif ($line =~ /^score (.*)$/) {
        my $message = $engine->parse(octets($1), 1);
        my $status = $engine->check($message);
        print $status->get_score(), " ", $status->get_names_of_tests_hit(), "\n";
        $status->finish();
        $message->finish();
    }
}

sub octets {
    open my $file, "<:raw", $_[0] or die "$_[0]: $!";
    local $/;
    return scalar <$file>;
}
