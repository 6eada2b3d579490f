"""What operators have stopped: a log every gateway process reads, and the calls it cuts off."""
