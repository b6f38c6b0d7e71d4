#!/usr/bin/perl
# SpamAssassin without network: spamassassin.pl FOLDER rules|learn|score
#
# Reads lines and answers each with one: "learn spam PATH", "learn ham PATH" and "sync" of who learns, "score PATH" of
# the others. A score is followed by the names of the rules; "sync" is answered by how many messages of spam and of good
# mail the database has. What was learnt lies in FOLDER/bayes_*, of which each process that scores has a copy: none
# waits for another's lock, and none writes what others read.
use strict;
use warnings;
use Mail::SpamAssassin;

my ($folder, $task) = @ARGV;
my $engine = Mail::SpamAssassin->new({
    local_tests_only => 1,
    dont_copy_prefs => 1,
    userstate_dir => $folder,
    userprefs_filename => "$folder/user_prefs",
    post_config_text => join("\n",
        "use_bayes " . ($task eq "rules" ? 0 : 1), "bayes_path $folder/bayes", "dns_available no",
        # Lessons are those that it is given: it learns nothing of its own verdicts and forgets nothing.
        "bayes_auto_learn 0", "bayes_auto_expire 0",
        # No journal: a lesson is in the database at once, and who scores never stops to write one to it.
        "bayes_learn_to_journal 0", "bayes_journal_max_size 0", "lock_method flock", ""),
});
$engine->init(1);
# As sa-learn does it: the database stays open, and locked, until it is written.
$engine->init_learner({caller_will_untie => 1, wait_for_lock => 1}) if $task eq "learn";
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    if ($line eq "sync") {
        $engine->rebuild_learner_caches();
        $engine->finish_learner();
        print join(" ", counts()), "\n";
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

# Messages of spam and of good mail that the database was taught.
sub counts {
    my $store = $engine->call_plugins("learner_get_implementation")->{store};
    $store->tie_db_readonly() or return (0, 0);
    my ($spam, $ham) = $store->nspam_nham_get();
    $store->untie_db();
    return ($spam, $ham);
}

sub octets {
    open my $file, "<:raw", $_[0] or die "$_[0]: $!";
    local $/;
    return scalar <$file>;
}
