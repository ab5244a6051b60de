# Completion of rdtctl for fish.

function __rdtctl_names
    rdtctl --no-legend list 2>/dev/null | string replace --regex ' .*' ''
end

set --local verbs reserve release resize attach detach free list show map watch run verify status check reconcile
set --local no_verb "not __fish_seen_subcommand_from $verbs"
set --local named '__fish_seen_subcommand_from release resize attach detach show'
set --local targets '__fish_seen_subcommand_from reserve attach detach'

complete --command rdtctl --no-files
complete --command rdtctl --condition $no_verb --arguments reserve --description 'reserve cache'
complete --command rdtctl --condition $no_verb --arguments release --description 'give reservations back'
complete --command rdtctl --condition $no_verb --arguments resize --description 'replace the regions of a reservation'
complete --command rdtctl --condition $no_verb --arguments attach --description 'put threads, processes or CPUs into one'
complete --command rdtctl --condition $no_verb --arguments detach --description 'put them back into the default group'
complete --command rdtctl --condition $no_verb --arguments free --description 'how much of each cache is free'
complete --command rdtctl --condition $no_verb --arguments list --description 'the reservations'
complete --command rdtctl --condition $no_verb --arguments show --description 'one reservation in full'
complete --command rdtctl --condition $no_verb --arguments map --description 'a picture of every cache'
complete --command rdtctl --condition $no_verb --arguments watch --description 'the picture, live'
complete --command rdtctl --condition $no_verb --arguments run --description 'run a command in a reservation'
complete --command rdtctl --condition $no_verb --arguments status --description 'what rdtd knows'
complete --command rdtctl --condition $no_verb --arguments verify --description 'are files of a configuration right'
complete --command rdtctl --condition $no_verb --arguments check --description 'what is not as it should be'
complete --command rdtctl --condition $no_verb --arguments reconcile --description 'compare and put right'
complete --command rdtctl --condition $no_verb --long-option version --description 'print the version'

complete --command rdtctl --long-option bus --exclusive --arguments 'system session' --description 'which bus'
complete --command rdtctl --long-option json --description 'print JSON'
complete --command rdtctl --long-option color --exclusive --arguments 'auto always never' --description colours
complete --command rdtctl --long-option no-ask-password --description 'do not ask for a password'
complete --command rdtctl --long-option no-legend --description 'leave out headings and legends'
complete --command rdtctl --short-option h --long-option help --description 'print help'

complete --command rdtctl --condition $named --arguments '(__rdtctl_names)'
complete --command rdtctl --condition '__fish_seen_subcommand_from reserve resize' --long-option dry-run \
    --description 'change nothing'
complete --command rdtctl --condition '__fish_seen_subcommand_from reserve' --long-option lifetime --exclusive \
    --arguments 'persistent client' --description 'how long'
complete --command rdtctl --condition $targets --long-option task --exclusive \
    --arguments '(__fish_complete_pids)' --description 'a thread'
complete --command rdtctl --condition $targets --long-option process --exclusive \
    --arguments '(__fish_complete_pids)' --description 'a process with all its threads'
complete --command rdtctl --condition $targets --long-option cpus --exclusive --description 'CPUs, as in 3,5-7'
complete --command rdtctl --condition '__fish_seen_subcommand_from verify' --long-option offline \
    --description 'do not ask rdtd'
complete --command rdtctl --condition '__fish_seen_subcommand_from verify' --force-files
complete --command rdtctl --condition '__fish_seen_subcommand_from free' --long-option bytes --description 'exact bytes'
complete --command rdtctl --condition '__fish_seen_subcommand_from run' --long-option name --exclusive \
    --arguments '(__rdtctl_names)' --description 'of the reservation'
