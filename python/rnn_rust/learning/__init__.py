"""What training is made of: labels, class weights, losses, optimisers, schedules, the record."""
